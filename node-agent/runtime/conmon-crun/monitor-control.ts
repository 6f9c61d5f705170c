import { closeSync, constants, openSync, writeSync } from 'node:fs';

/** conmon's control messages are `<event> <height> <width>`; 1 resizes the terminal, 2 reopens the log. */
const REOPEN_LOG = '2 0 0\n';

/** Tells a monitor, by its control pipe, to open its log file anew. A monitor that is gone reads nothing: that is not our failure. */
export function reopenMonitorLog(fifo: string): void {
  let fd: number;
  try {
    // Without O_NONBLOCK the open would wait for a reader.
    fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return;
  }
  try {
    writeSync(fd, REOPEN_LOG);
  } finally {
    closeSync(fd);
  }
}

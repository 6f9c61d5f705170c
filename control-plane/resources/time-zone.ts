/** Names of time zones, as in the IANA database that comes with the platform. */

const NAME = /^[A-Za-z0-9._+-]+(?:\/[A-Za-z0-9._+-]+)*$/;

/** What is wrong with the name of a time zone, as the end of a sentence; undefined when nothing is. */
export function timeZoneProblem(name: string): string | undefined {
  if (name === '') return 'timeZone must be nil or non-empty string';
  if (name.toLowerCase() === 'local')
    return 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
  const unknown = `unknown time zone ${name}`;
  // Offsets such as +01:00 are none of the database's names.
  if (!NAME.test(name) || /^[+-]/.test(name)) return unknown;
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    // The platform takes any case; the database's files have one.
    return timeZone !== name && timeZone.toLowerCase() === name.toLowerCase()
      ? `${unknown}; did you mean ${timeZone}?`
      : undefined;
  } catch {
    return unknown;
  }
}

import { addExamples, type Verb } from '../verb.ts';
import { configureMetadataVerb } from './change-metadata.ts';

/** `skiff annotate` */
export const annotate: Verb = {
  configure(command, { terminal }) {
    configureMetadataVerb(command, terminal, {
      verb: 'annotate',
      field: 'annotations',
      noun: 'annotation',
      word: () => 'annotated',
    });
    addExamples(command, [
      ['Set an annotation', "skiff annotate deploy web kubernetes.io/change-cause='new certificate'"],
      ['Remove one', 'skiff annotate deploy web kubernetes.io/change-cause-'],
    ]);
  },
};

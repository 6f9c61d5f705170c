import { addExamples, type Verb } from '../verb.ts';
import { configureMetadataVerb } from './change-metadata.ts';

/** `skiff label` */
export const label: Verb = {
  configure(command, { terminal }) {
    configureMetadataVerb(command, terminal, {
      verb: 'label',
      field: 'labels',
      noun: 'label',
      word: ({ patch, sets }) => {
        if (Object.keys(patch).length === 0) return 'not labeled';
        return sets ? 'labeled' : 'unlabeled';
      },
    });
    addExamples(command, [
      ['Set a label', 'skiff label pod web-1 tier=front'],
      ['Change one that is there', 'skiff label --overwrite node pi4 disk=ssd'],
      ['Remove one', 'skiff label pod web-1 tier-'],
    ]);
  },
};

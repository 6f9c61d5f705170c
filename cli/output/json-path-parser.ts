/** The parser of JSONPath, which the server's columns share. */

export * from '../../lib/json-path-parser.ts';

import { certificateBytes, certificateText, metadataSigned, metadataText } from './metadata.ts';
import type { FuzzTarget } from './target.ts';
import {
  askedEndpoint,
  canonical,
  challenge,
  configuration,
  jsonBytes,
  jsonText,
  printedEndpoint,
  reference,
} from './words.ts';

/** Every reader of what strangers write. */
export const fuzzTargets: readonly FuzzTarget[] = [
  jsonText,
  jsonBytes,
  canonical,
  metadataText,
  metadataSigned,
  certificateBytes,
  certificateText,
  printedEndpoint,
  askedEndpoint,
  reference,
  challenge,
  configuration,
];

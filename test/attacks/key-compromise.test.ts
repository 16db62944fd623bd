import { attacks } from './attack.ts';
import { certificateAttacks } from './key-compromise-certificates.ts';
import { lostKeyAttacks } from './key-compromise-lost-keys.ts';
import { signatureAttacks } from './key-compromise-signatures.ts';

// Key compromise (TUF §1.5.2): what whoever holds some keys, and not others, can make of them.

attacks('key compromise: what each lost key yields', lostKeyAttacks);
attacks('key compromise: signatures, thresholds and keys', signatureAttacks);
attacks('key compromise: root certificates and pins', certificateAttacks);

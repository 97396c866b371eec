/** Vector sets, where the engine has them. */
import { family } from './family.ts'
import type { World } from './world.ts'

const vector = (w: World): (string | number)[] => ['VALUES', 3, w.float(), w.float(), w.float()]

export const vectors = family(
  {
    vadd: (w) => ['VADD', w.key('vec'), ...vector(w), w.member(), ...w.option(['SETATTR', '{"a":1}'])],
    vrem: (w) => ['VREM', w.key('vec'), w.member()],
    vsetattr: (w) => ['VSETATTR', w.key('vec'), w.member(), `{"n":${w.integer()}}`],
    vcard: (w) => ['VCARD', w.key('vec')],
  },
  0.3,
)

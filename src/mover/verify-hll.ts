/** HyperLogLogs compared by what they count: the same registers can be stored sparse or dense, with or without a cached result. */

const registerCount = 16_384
const headerBytes = 16
const denseBytes = headerBytes + (registerCount * 6) / 8

/** Null if one of them is no HyperLogLog. PFCOUNT is a read that writes its result into the value, on the side that it ran on. */
export function sameHyperLogLog(left: Buffer, right: Buffer): boolean | null {
  const leftRegisters = registersOf(left)
  const rightRegisters = registersOf(right)
  if (leftRegisters === null || rightRegisters === null) return null
  if (!leftRegisters.equals(rightRegisters)) return false
  return isStale(left) || isStale(right) || left.subarray(8, headerBytes).equals(right.subarray(8, headerBytes))
}

function isStale(value: Buffer): boolean {
  return ((value[15] ?? 0) & 0x80) !== 0
}

function registersOf(value: Buffer): Buffer | null {
  if (value.length < headerBytes || value.toString('latin1', 0, 4) !== 'HYLL') return null
  if (value[4] === 0) return value.length === denseBytes ? denseRegisters(value) : null
  return value[4] === 1 ? sparseRegisters(value) : null
}

function denseRegisters(value: Buffer): Buffer {
  const registers = Buffer.alloc(registerCount)
  for (let index = 0; index < registerCount; index += 1) {
    const bit = index * 6
    const at = headerBytes + (bit >> 3)
    const pair = (value[at] ?? 0) | ((value[at + 1] ?? 0) << 8)
    registers[index] = (pair >> (bit & 7)) & 63
  }
  return registers
}

/** Runs: 00llllll and 01llllll llllllll are zeros, 1vvvvvll is a value; lengths and values are stored less one. */
function sparseRegisters(value: Buffer): Buffer | null {
  const registers = Buffer.alloc(registerCount)
  let index = 0
  for (let at = headerBytes; at < value.length; at += 1) {
    const opcode = value[at] ?? 0
    if ((opcode & 0xc0) === 0) {
      index += (opcode & 0x3f) + 1
    } else if ((opcode & 0xc0) === 0x40) {
      at += 1
      index += (((opcode & 0x3f) << 8) | (value[at] ?? 0)) + 1
    } else {
      const end = index + (opcode & 3) + 1
      registers.fill(((opcode >> 2) & 31) + 1, index, end)
      index = end
    }
    if (index > registerCount) return null
  }
  return index === registerCount ? registers : null
}

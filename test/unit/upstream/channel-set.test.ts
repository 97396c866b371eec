import { describe, expect, it } from 'vitest'
import { decodeAll } from '../../../src/resp/decode.ts'
import { ChannelSet, pushInProtocol2 } from '../../../src/upstream/channel-set.ts'

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
const confirmation = (word: string, channel: string | null, count: number): Buffer =>
  Buffer.from(`>3\r\n${bulk(word)}${channel === null ? '_\r\n' : bulk(channel)}:${count}\r\n`, 'latin1')
const message = (word: string, ...parts: string[]): Buffer =>
  Buffer.from(`>${parts.length + 1}\r\n${bulk(word)}${parts.map(bulk).join('')}`, 'latin1')

function noted(...pushes: Buffer[]): ChannelSet {
  const set = new ChannelSet()
  for (const push of pushes) set.note(push)
  return set
}

describe('a set of channels', () => {
  it('follows the confirmations, each kind for itself, and knows them from messages', () => {
    const set = new ChannelSet()
    const pushes = [
      confirmation('subscribe', 'a', 1),
      confirmation('subscribe', 'a', 1),
      confirmation('psubscribe', 'a', 2),
      confirmation('ssubscribe', 'a', 1),
      confirmation('ssubscribe', 'b\xff', 2),
      confirmation('unsubscribe', 'b\xff', 2),
    ]
    expect(pushes.map((push) => set.note(push))).toEqual(pushes.map(() => true))
    for (const push of [message('message', 'c', 'subscribe'), message('pmessage', 'c*', 'c', 'x'), message('smessage', 'c', 'x')])
      expect(set.note(push)).toBe(false)
    expect([set.count('subscribe'), set.count('psubscribe'), set.count('ssubscribe')]).toEqual([1, 1, 2])
    for (const word of ['unsubscribe', 'punsubscribe', 'sunsubscribe']) set.note(confirmation(word, 'a', 0))
    expect(set.empty).toBe(false)
    set.note(confirmation('sunsubscribe', 'b\xff', 0))
    expect(set.empty).toBe(true)
    expect(set.note(confirmation('unsubscribe', null, 0))).toBe(true)
  })

  it('gives the commands that subscribe another connection to the same, of any bytes and in bounded commands', () => {
    const names = Array.from({ length: 1_500 }, (_, i) => `channel ${i}\xff\r\n`)
    const set = noted(...names.map((name, i) => confirmation('subscribe', name, i)), confirmation('psubscribe', 'p*', 1))
    const commands = decodeAll(Buffer.concat([...set.commands(0)])) as Buffer[][]
    expect(commands.map((argv) => [String(argv[0]), argv.length])).toEqual([
      ['subscribe', 1_001],
      ['subscribe', 501],
      ['psubscribe', 2],
    ])
    const asked = commands.flatMap((argv) => argv.slice(1).map((name) => name.toString('latin1')))
    expect(asked).toEqual([...names, 'p*'])
  })

  it('is equal to another with the same channels only', () => {
    const [a, b] = [confirmation('subscribe', 'a', 1), confirmation('subscribe', 'b', 1)]
    expect(noted(a, b).equals(noted(b, a))).toBe(true)
    for (const other of [
      noted(a),
      noted(a, a),
      noted(a, b, confirmation('psubscribe', 'a', 1)),
      noted(a, confirmation('subscribe', 'c', 1)),
    ])
      expect(noted(a, b).equals(other)).toBe(false)
  })
})

describe('a push in protocol 2', () => {
  it('is an array, with null as RESP2 writes it', () => {
    expect(pushInProtocol2(message('message', 'c', 'x'), false).toString()).toBe('*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n')
    expect(pushInProtocol2(confirmation('unsubscribe', null, 0), true).toString()).toBe(
      '*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n',
    )
  })

  it('leaves a channel alone that looks like a null', () => {
    for (const channel of ['_', 'a\r\n_\r\nb', '\r\n_\r\n']) {
      const text = confirmation('subscribe', channel, 1).toString('latin1')
      expect(pushInProtocol2(Buffer.from(text, 'latin1'), true).toString('latin1')).toBe(`*${text.slice(1)}`)
    }
  })
})

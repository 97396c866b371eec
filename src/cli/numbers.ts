/** Numbers on the command line. */
import { InvalidArgumentError } from 'commander'

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number.')
  return Number(text)
}

export function positiveNumber(text: string): number {
  const value = wholeNumber(text)
  if (value === 0) throw new InvalidArgumentError('expected a number above 0.')
  return value
}

/** May be a fraction. */
export function fromZero(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0)) throw new InvalidArgumentError('expected a number from 0 on.')
  return value
}

export function percentage(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 100)) throw new InvalidArgumentError('expected a number from 0 to 100.')
  return value
}

/** Above 0, up to 100, with or without the sign. */
export function sharePercent(text: string): number {
  const value = Number(text.replace(/%$/, ''))
  if (!(value > 0 && value <= 100)) throw new InvalidArgumentError('expected a share above 0%, up to 100%.')
  return value
}

/** Up to an hour; may be a fraction. */
export function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 3600)) throw new InvalidArgumentError('expected seconds, up to 3600.')
  return value
}

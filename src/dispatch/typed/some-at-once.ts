/** Runs `work` for all of the items, `limit` of them at a time. Rejects with the first failure; what runs then goes on to its own end. */
export async function eachOf<Item>(items: readonly Item[], limit: number, work: (item: Item) => Promise<void>): Promise<void> {
  let at = 0
  const worker = async (): Promise<void> => {
    while (at < items.length) await work(items[at++] as Item)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}

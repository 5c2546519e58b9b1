/** A bar on one line of the terminal; silent where nobody watches. */

const barCells = 30

export function createProgressBar(stream: NodeJS.WriteStream = process.stderr) {
  const isShown = stream.isTTY === true
  return {
    show({ done, total, label }: { done: number; total: number; label: string }): void {
      if (!isShown || total === 0) return
      const filled = Math.round((done / total) * barCells)
      const bar = '█'.repeat(filled) + '░'.repeat(barCells - filled)
      const percent = `${Math.floor((done / total) * 100)}`.padStart(3)
      stream.write(`\r\x1b[2K${bar} ${percent} %  ${label}`)
    },
    end(): void {
      if (isShown) stream.write('\r\x1b[2K')
    },
  }
}

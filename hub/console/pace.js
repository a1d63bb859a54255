/** Pacing what events set off: at most so often, the last call never lost. */

/**
 * Return a function that runs `act` at once, and again after `ms` when it was called meanwhile.
 * @param {number} ms @param {() => void} act
 */
export function atMostEvery(ms, act) {
  let timer = 0;
  let nextAt = 0;
  return () => {
    if (timer !== 0) return;
    timer = setTimeout(() => {
      timer = 0;
      nextAt = performance.now() + ms;
      act();
    }, Math.max(0, nextAt - performance.now()));
  };
}

/** Reading again while somebody looks: every `everyMs`, and soon after `poke`, at most every `atMostEveryMs`. */
export class Reread {
  /** @param {() => Promise<void>} read @param {{everyMs: number, atMostEveryMs: number}} pace */
  constructor(read, { everyMs, atMostEveryMs }) {
    this.read = read;
    this.everyMs = everyMs;
    this.timer = 0;
    this.poke = atMostEvery(atMostEveryMs, () => this.timer && this.again());
  }

  start() {
    this.stop();
    this.timer = setInterval(() => !document.hidden && this.again(), this.everyMs);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
  }

  again() {
    this.read().catch(() => {}); // the connection says so elsewhere
  }
}

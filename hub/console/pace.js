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

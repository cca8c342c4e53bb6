/** How late a 10 ms timer on this thread is while some work goes on. */

export interface TimerGaps {
  /** Milliseconds between two ticks. */
  readonly p50: number;
  readonly p99: number;
  readonly largest: number;
  readonly ticks: number;
}

/** Repeats `work` for `seconds` and measures the timer meanwhile. */
export async function timerGaps(work: () => Promise<unknown>, seconds: number): Promise<TimerGaps> {
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }, 10);
  const end = last + seconds * 1000;
  try {
    while (performance.now() < end) await work();
  } finally {
    clearInterval(timer);
  }
  gaps.sort((a, b) => a - b);
  const at = (share: number) => gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))] as number;
  return { p50: at(0.5), p99: at(0.99), largest: at(1), ticks: gaps.length };
}

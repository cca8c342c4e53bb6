/** A download from the hub as lines of progress: what is there of how much, how fast, how long still. */
import type { HubEvent } from "../hub/snapshot.ts";
import { duration, type Progress, Rate } from "./progress.ts";
import { bytes } from "./table.ts";

export function downloadView(progress: Progress): (event: HubEvent) => void {
  let rate = new Rate();
  let last = 0;
  return (event) => {
    if (event.kind === "retry") {
      progress.note(`${event.problem}; trying again in ${duration(event.seconds)}`);
      return;
    }
    const { repo, file, done, total } = event;
    // Fewer bytes than before: another step, or a beginning that proved worthless.
    if (done < last) rate = new Rate();
    last = done;
    const perSecond = rate.mark(done);
    const pace = perSecond
      ? `, ${bytes(Math.round(perSecond))}/s, ${duration((total - done) / perSecond)} left`
      : "";
    progress.update(`${repo} ${file}: ${bytes(done)} of ${bytes(total)}${pace}`);
  };
}

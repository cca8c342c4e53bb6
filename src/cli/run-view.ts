/** What happens in a run, as lines: one that is rewritten at every step, and one that stays for every stage. */
import type { StudyEvent } from "../study/run.ts";
import { duration, type Progress, Rate } from "./progress.ts";

/** Listens to a run of `stages` stages. */
export function runView(progress: Progress, stages: number): (event: StudyEvent) => void {
  let rate = new Rate();
  let begun = 0;
  let validation = "";
  return (event) => {
    const { stage, seed } = event;
    const title = `[${Math.max(1, begun)}/${stages}] ${stage}, seed ${seed}`;
    switch (event.kind) {
      case "stage-begin":
        begun++;
        rate = new Rate();
        validation = "";
        progress.note(
          `[${begun}/${stages}] ${stage}, seed ${seed}: ${event.from ? `goes on from step ${event.from} of ` : ""}${event.steps} steps, stores ${storedText(event)}`,
        );
        break;
      case "stage-kept":
        begun++;
        progress.note(`[${begun}/${stages}] ${stage}, seed ${seed}: was done before`);
        break;
      case "storing":
      case "reading":
        progress.update(`${title}: ${workText(event)}`);
        break;
      case "step": {
        const perSecond = rate.mark(event.step);
        const pace =
          perSecond === null ? "" : `, ${perSecond.toFixed(1)} steps/s, ${left(event, perSecond)} left`;
        progress.update(
          `${title}: step ${event.step}/${event.steps}, loss ${event.loss.toFixed(4)}${validation}${pace}`,
        );
        break;
      }
      case "validation":
        validation = `, validation ${event.loss.toFixed(4)}`;
        break;
      case "warning":
        progress.note(`! ${title}: ${event.message}`);
        break;
      case "stage-end":
        progress.note(
          `${title}: done in ${duration(event.seconds)}, validation loss ${event.bestLoss.toFixed(4)} at step ${event.bestStep}`,
        );
        break;
    }
  };
}

function left({ step, steps }: { step: number; steps: number }, perSecond: number): string {
  return perSecond > 0 ? duration((steps - step) / perSecond) : "?";
}

function workText({ kind, done, of }: Extract<StudyEvent, { done: number }>): string {
  const all = of.toLocaleString("en");
  const share = `${Math.floor((100 * done) / of)} %`;
  return kind === "storing"
    ? `storing keys and values of ${all} tokens, ${share}`
    : `reading ${all} prompts, ${share}`;
}

/** What is kept of prompts, or why nothing is. */
export function storedText({ reuse, reason }: { reuse: string; reason?: string }): string {
  if (reuse === "prefix") return "everything before the trained tags";
  return reuse === "spans" ? "isolated spans" : `nothing (${reason})`;
}

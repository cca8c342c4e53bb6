/** All points of all issues, in their order. */
import { realInput } from "./2.1-real-input.ts";
import { demo } from "./2.2-demo.ts";
import { domainTags } from "./2.3-domain-tags.ts";
import { oracles } from "./2.4-oracles.ts";
import { isolation } from "./2.5-isolation.ts";
import { stepSpeed } from "./2.6-step-speed.ts";
import { hostile } from "./2.7-hostile.ts";
import { learnFromTable } from "./3.1-learn.ts";
import { crashSafety } from "./3.2-crash-safety.ts";
import { badInputs } from "./3.3-bad-inputs.ts";
import { leaks } from "./3.4-leaks.ts";
import { metrics } from "./3.5-metrics.ts";
import { reportPages } from "./3.6-report.ts";
import { library } from "./3.7-library.ts";
import { domainStepSpeed } from "./4.1-stage1.ts";
import { functionEpochSpeed } from "./4.2-function-epoch.ts";
import { screenSpeed } from "./4.3-screen.ts";
import { int8 } from "./4.4-int8.ts";
import { memory } from "./4.5-memory.ts";
import { scaling } from "./4.6-scaling.ts";
import { davis } from "./4.7-davis.ts";
import { families } from "./5.1-families.ts";
import { decodeSpeed } from "./5.2-decode.ts";
import { translate } from "./5.3-translate.ts";
import { newBases } from "./5.4-new-bases.ts";
import { hub } from "./5.5-hub.ts";
import type { Point } from "./point.ts";

export const points: readonly Point[] = [
  realInput,
  demo,
  domainTags,
  oracles,
  isolation,
  stepSpeed,
  hostile,
  learnFromTable,
  crashSafety,
  badInputs,
  leaks,
  metrics,
  reportPages,
  library,
  domainStepSpeed,
  functionEpochSpeed,
  screenSpeed,
  int8,
  memory,
  scaling,
  davis,
  families,
  decodeSpeed,
  translate,
  newBases,
  hub,
];

/** What a point needs that this repository does not bring. A point whose needs are not met fails; it is not skipped. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sharedFolder } from "../test/support/goldens.ts";

export interface Need {
  readonly what: string;
  readonly cure: string;
  isMet(): boolean;
}

export const sharedData: Need = {
  what: `the public data sets and models in ${sharedFolder}`,
  cure: "put the folder `shared` beside the repository",
  isMet: () => existsSync(join(sharedFolder, "data")) && existsSync(join(sharedFolder, "golden")),
};

export const torch: Need = {
  what: "PyTorch in /usr/bin/python3 to compare with",
  cure: "apt-get install python3-torch libopenblas0-pthread",
  isMet() {
    try {
      execFileSync("/usr/bin/python3", ["-c", "import torch"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  },
};

export const pageTools: Need = {
  what: "Chromium and poppler to show and print pages",
  cure: "apt-get install chromium poppler-utils",
  isMet() {
    try {
      execFileSync("chromium", ["--version"], { stdio: "ignore" });
      execFileSync("pdftoppm", ["-v"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  },
};

/** One line for each need that is not met; empty when the point can run. */
export const unmet = (needs: readonly Need[]): string =>
  needs
    .filter((need) => !need.isMet())
    .map(({ what, cure }) => `needs ${what}: ${cure}`)
    .join("\n");

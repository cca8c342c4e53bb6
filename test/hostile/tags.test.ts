/** Hostile tag files, and what is asked of tags that they cannot give. */

import { tagCases } from "./cases/tags.ts";
import { testCases } from "./run-cases.ts";

testCases(tagCases);

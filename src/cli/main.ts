#!/usr/bin/env node
/** The command `tagllm`. Everything it does is a function of the library; see program.ts for the commands. */
import { runCommandLine } from "./program.ts";

process.exitCode = await runCommandLine(process.argv.slice(2));

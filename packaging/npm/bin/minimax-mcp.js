#!/usr/bin/env node
// Starts the program of the platform package that npm installed as an optional dependency. Nothing is downloaded here.
"use strict";

const { spawn } = require("node:child_process");
const { name, version } = require("../package.json");

const platform = `${process.platform}-${process.arch}`;
const file = process.platform === "win32" ? "minimax-mcp.exe" : "minimax-mcp";

// stdout belongs to the protocol, so every message goes to stderr.
function fail(message) {
  console.error(`${name}: ${message}`);
  process.exit(1);
}

let program;
try {
  program = require.resolve(`${name}-${platform}/bin/${file}`);
} catch {
  fail(
    `the package ${name}-${platform} is not installed. ` +
      `npm leaves it out with --omit=optional, and there is none for platforms other than ` +
      `linux-x64, linux-arm64, darwin-x64, darwin-arm64 and win32-x64. ` +
      `Install again without that flag, or build ${version} from source.`,
  );
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit", windowsHide: true });
child.on("error", (error) => fail(`${program} cannot be started: ${error.message}`));
// The program ends by itself when stdin closes; a signal is passed on so that it can end its work first.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exit(code ?? 1);
  }
});

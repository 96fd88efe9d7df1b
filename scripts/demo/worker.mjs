// Works the demonstration's jobs: the SHA-256 of the file that the body names. See docs/workers for the least
// that a worker needs.
//
//     worker.mjs host port queue name results

import { createHash } from "node:crypto";
import { openSync, readFileSync, writeSync } from "node:fs";
import Redis from "ioredis";

const [host, port, queue, name, resultsPath] = process.argv.slice(2);
const server = new Redis({
  host,
  port,
  connectionName: name,
  maxRetriesPerRequest: null,
  retryStrategy: () => 100,
});
server.on("error", (error) => console.error(error.message));

const results = openSync(resultsPath, "a");
for (;;) {
  const taken = await server.call("JQ.CONSUME", queue, "BLOCK", 2000, "WORKER", name);
  for (const [, receipt, path] of taken ?? []) {
    let digest;
    try {
      digest = createHash("sha256").update(readFileSync(path)).digest("hex");
    } catch (error) {
      await server.call("JQ.NACK", queue, receipt, "ERROR", error.message);
      continue;
    }
    // The result first, then the ack: killed in between, the job is worked again, not lost.
    writeSync(results, JSON.stringify([receipt, path, digest]) + "\n");
    await server.call("JQ.ACK", queue, receipt);
  }
}

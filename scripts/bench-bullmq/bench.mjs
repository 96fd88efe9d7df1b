// Passes jobs on by BullMQ, as many as each line of the input says, and says when they are done.
//
//     node bench.mjs PORT BODY-BYTES JOBS-A-CALL
//
// scripts/bench installs it, crates/bench/src/bullmq.rs calls it.
import { createInterface } from 'node:readline';

import { Queue, Worker } from 'bullmq';

const AT_ONCE = 64;

const [port, bodyBytes, batch] = process.argv.slice(2).map(Number);
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
const defaultJobOptions = { removeOnComplete: true };
const queue = new Queue('bench', { connection, defaultJobOptions });

let left = 0;
let finished = () => {};
const work = async () => {};
const worker = new Worker('bench', work, { connection, concurrency: AT_ONCE });
worker.on('completed', () => --left || finished());

// Stored as JSON, which puts two quotes around it.
const body = 'x'.repeat(bodyBytes - 2);

async function passOn(jobs) {
    left = jobs;
    const done = new Promise((resolve) => {
        finished = resolve;
    });
    for (let published = 0; published < jobs; published += AT_ONCE) {
        const count = Math.min(AT_ONCE, jobs - published);
        if (batch > 1) {
            await queue.addBulk(Array.from({ length: count }, () => ({ name: 'job', data: body })));
        } else {
            await Promise.all(Array.from({ length: count }, () => queue.add('job', body)));
        }
    }
    await done;
}

await worker.waitUntilReady();
await queue.waitUntilReady();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
    await passOn(Number(line));
    console.log('done');
}
// The input ends with the benchmark.
process.exit();

import Redis from "ioredis";
const [host, port, queue] = process.argv.slice(2);
const server = new Redis({ host, port, maxRetriesPerRequest: null }); // reconnects for ever
server.on("error", (error) => console.error(error.message));
for (;;) {
  const jobs = await server.call("JQ.CONSUME", queue, "BLOCK", 2000);
  for (const [, receipt, body] of jobs ?? []) {
    try {
      console.log("mail to", JSON.parse(body).to); // the work itself
      await server.call("JQ.ACK", queue, receipt);
    } catch (error) {
      await server.call("JQ.NACK", queue, receipt, "ERROR", error.message);
    }
  }
}

// A process that starts a Valkey and is then ended by its test, or (argument `forget`) ends without stopping it.
import { dirname } from "node:path";
import { startValkey } from "../../dev/services/index.ts";

const valkey = await startValkey({ fresh: true });
console.log(JSON.stringify({ url: valkey.url, folder: dirname(valkey.logFile ?? "") }));
if (process.argv[2] !== "forget") setInterval(() => {}, 60_000);

// Asks the worker in this container how it is: `/livez` for whether it should be replaced, `/readyz` for whether it works.
// Slim images have no curl. The port must come from UNSTALE_HTTP_PORT: a configuration file is not looked at.
import { env } from "node:process";

const { UNSTALE_HTTP_PORT: port = "8085" } = env;
try {
  const response = await fetch(`http://127.0.0.1:${port}${process.argv[2] ?? "/livez"}?verbose`);
  console.log((await response.text()).trim());
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  console.log(`No answer on port ${port}: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}

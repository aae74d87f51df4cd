// docker compose up as a person meets it: an edit makes the answer new, one trace leads from the edit to the worker, three
// workers share the partitions, a stop is a clean end, and `down -v` leaves nothing.
import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const files = ["-f", "docker-compose.yml", "-f", ".ci/compose.yml"];
const project = ["compose", "--project-name", "unstale-ci", "--profile", "traces", ...files];
// The address is the one that docker-compose.yml tells people to give.
const docker = (...args) =>
  execFileSync("env", ["OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4318", "docker", ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
const compose = (...args) => docker(...project, ...args);
const logs = (service) => compose("logs", "--no-color", "--no-log-prefix", service);
const report = process.argv[2];
const fact = (name, value) => {
  console.log(`${name}: ${value}`);
  if (report) appendFileSync(report, `${name}\t${value}\n`);
};

async function until(what, look, seconds = 60) {
  const deadline = Date.now() + seconds * 1_000;
  for (;;) {
    const found = look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`Expected within ${seconds} s: ${what}`);
    await delay(200);
  }
}

const left = () =>
  ["container", "volume", "network"].flatMap((kind) =>
    docker(
      kind,
      "ls",
      ...(kind === "container" ? ["-a"] : []),
      "-q",
      "--filter",
      "label=com.docker.compose.project=unstale-ci",
    )
      .split("\n")
      .filter(Boolean)
      .map((id) => `${kind} ${id}`),
  );

// As people start it: with Jaeger itself. Its image is not pulled here.
docker("compose", "-f", "docker-compose.yml", "--profile", "traces", "config", "--quiet");

const began = Date.now();
try {
  compose("up", "--detach", "--wait", "valkey", "kafka", "worker", "answers", "publisher", "jaeger");
  fact("docker compose up until all are healthy", `${((Date.now() - began) / 1_000).toFixed(0)} s`);

  await until("the first answer", () => /€49\.00/.test(logs("answers")));
  await until("the publisher watches", () => /Watching/.test(logs("publisher")));
  const edited = Date.now();
  compose("run", "--rm", "--no-deps", "editor", "edit.mjs");
  await until("the new price in an answer", () => /NEW: .*€50\.00/.test(logs("answers")));
  fact(
    "compose: an edit until it is answered",
    `${((Date.now() - edited) / 1_000).toFixed(1)} s, most of it the starts of commands`,
  );

  const records = compose(
    ...["exec", "-T", "kafka", "/opt/kafka/bin/kafka-console-consumer.sh", "--bootstrap-server", "localhost:9092"],
    ...["--topic", "cms.documents", "--from-beginning", "--max-messages", "1", "--timeout-ms", "20000"],
    ...["--property", "print.headers=true"],
  );
  const trace = /traceparent:00-([0-9a-f]{32})-/.exec(records)?.[1];
  if (trace === undefined) throw new Error(`Expected a traceparent in: ${records}`);
  await until(`trace ${trace} in Jaeger's place`, () => logs("jaeger").includes(trace));
  await until(`trace ${trace} in the worker's log`, () => logs("worker").includes(trace));
  fact(
    "compose, profile traces: the edit's trace",
    "continued by the worker, sent to Jaeger's address, and in its log",
  );

  compose("exec", "-T", "worker", "node", "dist/worker/main.js", "doctor");
  compose("up", "--detach", "--wait", "--no-recreate", "--no-deps", "--scale", "worker=3", "worker");
  await until("three workers with two partitions each", () =>
    [1, 2, 3].every((index) => /with 2 partitions/.test(ready(index))),
  );
  fact("compose: --scale worker=3", "two partitions each");

  const stopping = Date.now();
  compose("stop", "worker");
  const codes = docker("ps", "-a", "--filter", "label=com.docker.compose.service=worker", "--format", "{{.Status}}");
  if (!/^(Exited \(0\).*\n)+$/.test(codes)) throw new Error(`Expected clean ends, got: ${codes}`);
  fact("compose: three workers stopped", `${((Date.now() - stopping) / 1_000).toFixed(1)} s, exit code 0`);
} catch (error) {
  for (const service of ["worker", "answers", "publisher", "kafka"]) {
    console.error(`== ${service}\n${logs(service).split("\n").slice(-15).join("\n")}`);
  }
  throw error;
} finally {
  compose("--profile", "*", "down", "--volumes", "--timeout", "20");
}
if (left().length > 0) throw new Error(`Expected nothing to be left, found ${left().join(", ")}`);

function ready(index) {
  try {
    return compose("exec", "-T", "--index", String(index), "worker", "node", "healthcheck.mjs", "/readyz");
  } catch (error) {
    return String(error.stdout);
  }
}

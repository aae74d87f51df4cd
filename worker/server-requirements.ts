import type { ServerInfo } from "@unstale/cache-core";

const leastVersion = [7, 2] as const;

/** Why the worker cannot run on this server, or `undefined`. */
export function serverProblem(
  { product, version, role, clusterEnabled }: ServerInfo,
  isCluster: boolean,
): string | undefined {
  if (product === "memory" || product === "unknown") return undefined;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const tooOld = major < leastVersion[0] || (major === leastVersion[0] && minor < leastVersion[1]);
  const name = product === "valkey" ? "Valkey" : "Redis";
  if (tooOld) return `${name} ${version} is too old. Expected ${leastVersion.join(".")} or later; update the server.`;
  if (role === "replica") {
    return "The address is a replica's, which takes no writes. Give the address of the primary, or of a proxy that finds it.";
  }
  if (clusterEnabled && !isCluster) {
    return (
      "The server is a node of a Valkey Cluster. Give the addresses of several nodes, separated by commas, in " +
      "UNSTALE_VALKEY_URL, or set UNSTALE_VALKEY_CLUSTER to true where one address stands for all."
    );
  }
  return undefined;
}

export interface MemoryVerdict {
  readonly status: "ok" | "warn";
  readonly message: string;
  readonly todo?: string;
}

/** Whether entries may be evicted without harm. No policy breaks a promise; some lose more than they need to. */
export function memoryVerdict({ memoryPolicy, maxMemory }: ServerInfo): MemoryVerdict {
  if (memoryPolicy === undefined) {
    return {
      status: "ok",
      message: "maxmemory-policy cannot be read here; allkeys-lru and volatile-lru are both right.",
    };
  }
  const limit =
    maxMemory === undefined ? "unknown" : maxMemory === 0 ? "none" : `${Math.round(maxMemory / 2 ** 20)} MiB`;
  const message = `maxmemory ${limit}, policy ${memoryPolicy}`;
  if (maxMemory === 0) {
    return {
      status: "warn",
      message,
      todo: "Set maxmemory, or the server may run out of memory (config/valkey.conf).",
    };
  }
  if (memoryPolicy === "noeviction") {
    return {
      status: "warn",
      message,
      todo: "Set maxmemory-policy to volatile-lru or allkeys-lru: when memory is full, writes to the cache fail.",
    };
  }
  if (memoryPolicy.endsWith("-lru") || memoryPolicy.endsWith("-lfu")) return { status: "ok", message };
  return {
    status: "warn",
    message,
    todo: "Set maxmemory-policy to volatile-lru or allkeys-lru: this one evicts what is needed most as readily as the rest.",
  };
}

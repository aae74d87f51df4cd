// biome-ignore lint/correctness/noUndeclaredDependencies: cache-core's own client, in the version that cache-core has
export { Redis, type RedisOptions } from "iovalkey";

export { Redis, type RedisOptions } from "iovalkey";

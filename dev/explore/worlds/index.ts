import type { World } from "../world.ts";
import { demands } from "./demands.ts";
import { harm } from "./harm.ts";
import { large } from "./large.ts";
import { foreigners, writers } from "./others.ts";
import { small } from "./small.ts";

/** Worlds that must stay clean, each small enough to be explored whole. */
export const smallWorlds: readonly World[] = [...small, ...demands, ...harm, ...foreigners, ...writers];

/** For random walks. */
export const largeWorlds: readonly World[] = large;

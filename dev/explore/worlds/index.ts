import type { World } from "../world.ts";
import { harm } from "./harm.ts";
import { foreigners, writers } from "./others.ts";
import { small } from "./small.ts";

/** Worlds that must stay clean, each small enough to be explored whole. */
export const worlds: readonly World[] = [...small, ...harm, ...foreigners, ...writers];

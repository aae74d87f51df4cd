import type { World } from "../world.ts";
import { naive } from "./naive.ts";
import { small } from "./small.ts";

export const worlds: readonly World[] = [naive, ...small];

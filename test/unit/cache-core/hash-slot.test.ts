import { expect, test } from "@jest/globals";
import { hashSlot } from "../../../cache-core/hash-slot.ts";

test.each([
  // As CLUSTER KEYSLOT says.
  ["foo", 12_182],
  ["123456789", 12_739],
  ["", 0],
  ["{user1000}.following", 3_443],
  ["{user1000}.followers", 3_443],
  ["foo{}{bar}", 8_363],
  ["foo{{bar}}zap", 4_015],
  ["foo{bar}{zap}", 5_061],
])("the slot of %p is %i", (key, slot) => {
  expect(hashSlot(key)).toBe(slot);
});

async function teardown(): Promise<void> {
  await Promise.all((globalThis.unstaleTestServices ?? []).map((handle) => handle.stop()));
}

// biome-ignore lint/style/noDefaultExport: jest calls the default export
export default teardown;

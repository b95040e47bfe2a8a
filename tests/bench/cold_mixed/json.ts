// Reads a list, keeps some of it, writes it again.
const rows = JSON.stringify(Array.from({ length: 1_000 }, (_, id) => ({ id, name: `Row ${id}`, tags: ["a", "b"] })));

export const answer = () => {
  const kept = (JSON.parse(rows) as { id: number }[]).filter((row) => row.id % 2 === 0);
  return JSON.stringify(kept).length > 0 ? "hello" : "nothing was kept";
};

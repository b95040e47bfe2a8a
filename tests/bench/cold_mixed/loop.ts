// Some milliseconds of processor time.
export const answer = () => {
  let sum = 0;
  for (let turn = 0; turn < 1_000_000; turn++) sum = (sum * 31 + turn) % 1_000_003;
  return sum >= 0 ? "hello" : String(sum);
};

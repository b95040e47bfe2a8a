export const answer = () => "hello";

// What the types of playwright-core name of a page. With all of the DOM's types every source of the
// repository could name `window`, a server as well.
interface Node {
  getAttribute(name: string): string | null;
}
type HTMLElement = Node;
type SVGElement = Node;
type HTMLElementTagNameMap = Record<never, never>;

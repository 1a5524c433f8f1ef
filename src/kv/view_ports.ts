/** What views of a key space are made of, be it of its keys or of its history. */
import type { KeyTable } from "./key_table.ts";
import type { Row } from "./rows.ts";
import type { Versions } from "./versions.ts";

export interface ViewPorts {
  /** No number of a key may be given to another until the view is closed. */
  readonly table: KeyTable;
  /** What the versions of a view say must stay there as long as they are the newest ones of their keys, or the view holds them. */
  readonly versions: Versions;
  /** Called for each version that the view held until it was visited. */
  readonly onVisited: (row: Row) => void;
  /** Called once, with the view. */
  readonly onClose: (view: object) => void;
}

/** Value-log segments as rows. */
import { formatBytes } from './format.js';
import type { Column } from './table.js';

export interface ShownSegment {
  readonly fid: number;
  readonly bytes: number;
  readonly live_bytes: number;
  readonly garbage_bytes: number;
  readonly garbage_ratio: number;
  readonly verdict: string;
  readonly reason: string;
}

export const SEGMENT_COLUMNS: readonly Column[] = [
  { name: 'FID', align: 'right' },
  { name: 'SIZE', align: 'right' },
  { name: 'LIVE', align: 'right' },
  { name: 'GARBAGE', align: 'right' },
  { name: 'SHARE', align: 'right' },
  { name: 'VERDICT' },
  { name: 'REASON' },
];

export function segmentRow(segment: ShownSegment): (string | number)[] {
  return [
    segment.fid,
    formatBytes(segment.bytes),
    formatBytes(segment.live_bytes),
    formatBytes(segment.garbage_bytes),
    `${Math.round(100 * segment.garbage_ratio)}%`,
    segment.verdict,
    segment.reason,
  ];
}

/** What the control API may ask of the running process. Implemented by the composition root; faked in the API's own tests. */
import type {
  EditRequest,
  ErrorsFilter,
  ErrorsPage,
  EventDocument,
  MigrationAnswer,
  MigrationRequest,
  MoverPatch,
  MoverStartRequest,
  MoverStatus,
  RampRequest,
  ReplayAnswer,
  ReplayRequest,
  StartRequest,
  StatusDocument,
  TrafficPatch,
  TrafficSettings,
  VerifyReport,
  VerifyRequest,
} from './schemas.ts'

export interface Operations {
  status(): StatusDocument
  /** True once the authority answers and the listener is open; false while starting or draining. */
  ready(): { ready: boolean; reasons: readonly string[] }

  traffic(): TrafficSettings
  setTraffic(patch: TrafficPatch): Promise<TrafficSettings>

  start(request: StartRequest): Promise<MigrationAnswer>
  pause(request: MigrationRequest): Promise<MigrationAnswer>
  resume(request: MigrationRequest): Promise<MigrationAnswer>
  ramp(request: RampRequest): Promise<MigrationAnswer>
  cutover(request: MigrationRequest): Promise<MigrationAnswer>
  /** One call from any phase; `to` defaults to mirror (observe when already in mirror). */
  rollback(request: MigrationRequest & { to?: 'mirror' | 'observe' | undefined }): Promise<MigrationAnswer>
  complete(request: MigrationRequest): Promise<MigrationAnswer>

  mover(): MoverStatus
  setMover(patch: MoverPatch): MoverStatus
  /** Of all that is to be copied; onConflict: whether a target with keys of somebody else's is refused. */
  moverStart(request: MoverStartRequest): Promise<MoverStatus>
  moverPause(): MoverStatus
  moverResume(): MoverStatus
  moverStop(): MoverStatus

  errors(cursor: number, limit: number, filter: ErrorsFilter, withPayload: boolean): ErrorsPage
  replayErrors(request: ReplayRequest): Promise<ReplayAnswer>
  /** How many were changed. */
  editErrors(request: EditRequest): number

  verify(request: VerifyRequest): Promise<VerifyReport>
  verification(id: string): VerifyReport | null
  /** Resolves when it has stopped; what it found so far. Null: there is none of this id. */
  stopVerification(id: string): Promise<VerifyReport | null>

  divergence(): { total: number; byFamily: Record<string, number>; recent: EventDocument[] }

  /** Events with an id above `after`, oldest first; then `listener` for each new one until the returned function is called. */
  events(after: number, listener: (event: EventDocument) => void): () => void
}

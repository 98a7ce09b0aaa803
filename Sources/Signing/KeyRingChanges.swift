import Foundation
import Vocabulary

/// When the RSA key of a new installation is made, which takes a second or some of one core.
package enum RSAKeyMaking: Sendable {
    /// So that the first who needs it does not wait.
    case atOnce
    /// For short lives, most of which never sign with it.
    case whenAsked
}

/// What operators and time change in a ring.
extension KeyRing {
    package func list() -> [KeyInfo] { state.withLock { $0.ring.entries.map(\.info) } }

    /// Waits until the RSA key is there: only after a first start, and then for a second or some.
    package func ready() async throws {
        try await withCheckedThrowingContinuation { waiter in
            let (result, isFirst) = state.withLock { state -> (Result<Void, any Error>?, Bool) in
                if state.rsa == nil { state.waiting.append(waiter) }
                defer { state.isRSADeferred = false }
                return (state.rsa, state.isRSADeferred)
            }
            if isFirst { makeRSA() }
            if let result { waiter.resume(with: result) }
        }
    }

    /// The prepared key takes over at once; what the old one signed stays valid: tokens for `signing.token_overlap_seconds`,
    /// licences and checkpoints for good. A new key is prepared and published, except for RSA, whose next key `prepare` makes.
    ///
    /// `place`: `file` or the id of a key service; nil: what the settings say. A key that was prepared in another place never signs. Where
    /// the place cannot make a key, nothing changes.
    @discardableResult package func rotate(_ purpose: KeyPurpose, to place: String? = nil) async throws -> KeyInfo {
        if purpose == .licenseRSA { try await ready() }
        let place = place ?? home(purpose)
        // Made before the lock is taken, as RSA and services take their time.
        let prepared = state.withLock { $0.ring.next(purpose)?.home.place }
        let fresh = prepared == place ? nil : try await fresh(purpose, in: place)
        let spare = purpose == .licenseRSA ? nil : try await self.fresh(purpose, in: place)
        return try change { ring, now in
            ring.dropNext(purpose, notIn: place)
            // Where another process took the prepared key meanwhile, the spare one is as good.
            try ring.rotate(purpose, fresh: fresh ?? spare, overlap: purpose == .token ? overlap : nil, now: now)
            guard let active = ring.active(purpose) else { throw SigningFault.unknownKey(purpose.rawValue) }
            if let spare, active.key.id != spare.key.id, ring.next(purpose) == nil {
                ring.entries.append(RingEntry(spare, purpose, .next, now: now))
            }
            return active.info
        }
    }

    /// Makes and publishes the key that the next rotation will use, so that clients can learn it before. `place` as for `rotate`.
    @discardableResult package func prepare(_ purpose: KeyPurpose, in place: String? = nil) async throws -> KeyInfo {
        if purpose == .licenseRSA { try await ready() }
        let place = place ?? home(purpose)
        if let next = state.withLock({ $0.ring.next(purpose)?.info }), next.home.place == place { return next }
        let fresh = try await fresh(purpose, in: place)
        return try change { ring, now in
            ring.dropNext(purpose, notIn: place)
            if let next = ring.next(purpose) { return next.info }
            let entry = RingEntry(fresh, purpose, .next, now: now)
            ring.entries.append(entry)
            return entry.info
        }
    }

    /// After a key was compromised: it verifies nothing any more. An active key is replaced first. `place` as for `rotate`.
    package func retire(_ id: String, to place: String? = nil) async throws {
        guard let info = list().first(where: { $0.id == id }) else { throw SigningFault.unknownKey(id) }
        if info.state == .active { try await rotate(info.purpose, to: place) }
        let spare =
            info.state == .next && info.purpose != .licenseRSA ? try await fresh(info.purpose, in: place ?? home(info.purpose)) : nil
        try change { ring, now in
            try ring.retire(id, now: now)
            if let spare { ring.entries.append(RingEntry(spare, info.purpose, .next, now: now)) }
        }
    }

    /// To be called every minute or so: takes over what another process changed, makes the keys that a key service could not make before,
    /// prepares the next key in the place where it belongs, rotates the key of tokens when it is due, forgets keys whose overlap is over.
    package func maintain() async throws {
        try takeOver()
        let now = clock.now()
        if state.withLock({ $0.ring.entries.contains { $0.purpose == .token && !$0.verifies(at: now) } }) {
            try change { ring, now in ring.forget(now: now) }
        }
        var failure: (any Error)?
        for purpose in KeyPurpose.allCases {
            // One service that is away must not keep the keys of another from their turn.
            do { try await settle(purpose) } catch { failure = failure ?? error }
        }
        do { try await rotateWhenDue() } catch { failure = failure ?? error }
        if let failure { throw failure }
    }

    private func takeOver() throws {
        guard KeyFiles.mark(file.url.path) != state.withLock({ $0.mark }) else { return }
        try KeyFiles.exclusively(Self.lock(in: directory)) { try reload() }
    }

    /// The first key where there is none because its service was not there, and the next one in its place.
    private func settle(_ purpose: KeyPurpose) async throws {
        let place = home(purpose)
        let (active, next) = state.withLock { ($0.ring.active(purpose)?.home.place, $0.ring.next(purpose)?.home.place) }
        if active == nil, place != SigningSettings.file {
            let first = try await fresh(purpose, in: place)
            try change { ring, now in
                if ring.active(purpose) == nil { ring.entries.append(RingEntry(first, purpose, .active, now: now)) }
            }
            if purpose == .licenseRSA { return }
        }
        // The next RSA key is made when one is wanted, or when the keys move.
        guard next != place, active != nil || place != SigningSettings.file, purpose != .licenseRSA || active != place else { return }
        try await prepare(purpose, in: place)
    }

    private func rotateWhenDue() async throws {
        func isDue(_ ring: Ring) -> Bool {
            guard rotationDays > 0, let since = ring.active(.token)?.activatedAt else { return false }
            return clock.now() - since >= .days(Int64(rotationDays))
        }
        guard state.withLock({ isDue($0.ring) }) else { return }
        let place = home(.token)
        let prepared = state.withLock { $0.ring.next(.token)?.home.place }
        let fresh = prepared == place ? nil : try await fresh(.token, in: place)
        let spare = try await self.fresh(.token, in: place)
        try change { ring, now in
            // Read again under the lock: another process may have been first.
            guard isDue(ring) else { return }
            ring.dropNext(.token, notIn: place)
            try ring.rotate(.token, fresh: fresh ?? spare, overlap: overlap, now: now)
            if ring.next(.token) == nil, ring.active(.token)?.key.id != spare.key.id {
                ring.entries.append(RingEntry(spare, .token, .next, now: now))
            }
        }
    }

    private func home(_ purpose: KeyPurpose) -> String { homes[purpose] ?? SigningSettings.file }

    /// Maintains once a minute until cancelled. A failure is told and tried again: the keys at hand go on signing.
    package func run(log: @escaping @Sendable (String) -> Void) async {
        while !Task.isCancelled {
            do { try await maintain() } catch { log("keys: \(error)") }
            try? await Task.sleep(for: .seconds(60))
        }
    }
}

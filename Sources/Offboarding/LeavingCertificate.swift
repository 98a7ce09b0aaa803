import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

extension Offboarding {
    private static let certifying = KernelReason("offboarding.certify")

    /// Signed outside of the transaction that makes it the tenant's last word.
    func certify(_ offboarding: LeavingTenant, _ steps: [LeavingStep], _ act: Act) async throws {
        let tenant = offboarding.tenant
        let own = [
            ClosureRemainder(
                what: "this certificate, the times of its steps, and the mailed link to it", why: "so that the deletion can be proved",
                until: nil),
            ClosureRemainder(
                what: "the last mail's sealed request, until it is sent", why: "so that the former owners hear of the deletion",
                until: act.now + .days(8)),
        ]
        let remains = steps.flatMap(\.remainders) + own
        let document: JSONValue = [
            "kind": "coditect.deletion_certificate", "version": 1, "tenant_id": .string(tenant.description),
            "offboarding_id": .string(offboarding.id.description), "asked_at": .string(offboarding.askedAt.iso8601),
            "left_at": .string((steps.first { $0.name == "close" }?.doneAt ?? offboarding.leavesAt).iso8601),
            "purged_at": .string(act.now.iso8601),
            "steps": .array(
                steps.map { step in
                    [
                        "phase": .string(step.phase.rawValue), "step": .string(step.name),
                        "done_at": step.doneAt.map { .string($0.iso8601) } ?? .null,
                    ]
                }),
            "remains": .array(remains.map(Self.json)),
        ]
        let message = try TypedMessage(.deletionCertificate, json: document)
        let signature = try await floor.signer.sign(message.bytes, .journal)
        let text = String(decoding: message.body, as: UTF8.self)
        let id = offboarding.id
        let box = try await store.tenantRead(tenant) { db in
            try db.row(OffboardingTable.addresses, id).flatMap { try $0.optional(0, $0.blob) }
        }
        let addresses = try box.map {
            try JSONCoding.decode([String].self, Data(try floor.sealer.open($0, context: "offboarding.addresses:\(id)")))
        }
        try await store.kernel(Self.certifying, .flushed) { db in
            let isOurs = try db.within(tenant) { db in
                guard try db.row(OffboardingTable.certify, id, text, signature.keyID, signature.bytes, act.now) != nil else { return false }
                try db.run(OffboardingTable.blankOthers, act.now)
                try note("offboarding.purged", id, ["remains": .int(Int64(remains.count))], nil, db, act)
                return true
            }
            guard isOurs else { return }
            for (number, address) in (addresses ?? []).enumerated() { try mailLast(address, number, id, db, act) }
        }
    }

    /// To an address, since there is no account any more.
    private func mailLast(_ address: String, _ number: Int, _ id: LeavingTenant.ID, _ db: any KernelScope, _ act: Act) throws {
        let (template, key) = ("offboarding_purged", "offboarding_purged:\(id):\(number)")
        func sealed(_ name: String, _ value: String) throws -> String {
            let context = MailRequested.context(template: template, name: name, key: key)
            return Data(try floor.sealer.seal(Array(value.utf8), context: context)).base64EncodedString()
        }
        try db.emit(
            MailRequested(
                recipient: .invited(floor.entropy.id(act.now)), template: template, values: [:],
                sealed: ["address": try sealed("address", address), "token": try sealed("token", linkText(id))], key: key), act)
    }

    static func json(_ remainder: ClosureRemainder) -> JSONValue {
        [
            "what": .string(remainder.what), "why": .string(remainder.why),
            "until": remainder.until.map { .string($0.iso8601) } ?? .null,
        ]
    }
}

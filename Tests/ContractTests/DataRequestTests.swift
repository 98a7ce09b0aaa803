import Foundation
import Identity
import PlatformTesting
import RoomTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import DataRequests

/// The rights of a person, over a whole platform: asked for, done or answered in time, told.
@Suite("data requests")
struct DataRequestTests {
    typealias Firm = PeopleTests.Firm
    static let path = "/api/v1/data-requests"
    static let login = "/api/v1/auth/login"

    private static func code(_ answer: TestPlatform.Answer) -> String { "\(answer.status) \(answer["error"]?.string ?? "")" }
    private static func known(_ email: String) -> JSONValue { ["email": .string(email), "password": .string(Customer.password)] }
    private func mails(_ platform: TestPlatform, to address: String) throws -> [String] {
        let folder = platform.data.appendingPathComponent("mailbox")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).compactMap { name in
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            guard text.contains(address) else { return nil }
            return text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("Subject: ") }.map {
                $0.dropFirst(9).trimmingCharacters(in: .whitespacesAndNewlines)
            }
        }
    }

    // MARK: - Nobody is forgotten

    /// Columns that could tell of a person, in tables that no room names: each with its reason.
    static let spared: [String: String] = [
        "access_review_all.opened_by": "bare id", "access_review_all.signed_off_by": "bare id",
        "access_review_item_all.user_id": "bare id, in a review that proves itself", "access_review_item_all.decided_by": "bare id",
        "activation_all.device": "digest of a machine of the tenant's",
        "activation_all.machine_name_box": "a machine of the tenant's, sealed",
        "activation_part_all.device": "digest of a machine of the tenant's", "address_rule_all.networks": "networks of the tenant's",
        "billing_quantity_wish_all.wished_by": "bare id",
        "billing_checkout_all.url_box": "the provider's page, sealed; overwritten when the checkout ends",
        "compliance_result_all.said_by": "a policy or a plugin",
        "device_grant.label": "a program that is signing in, for minutes",
        "identity_connection_all.label": "a provider of the tenant's", "identity_connection_all.settings_box": "of the tenant's provider",
        "identity_connection_all.secrets_box": "of the tenant's provider",
        "invitation_all.mail_digest": "erased by the digest of the person's address",
        "invitation_all.mail_box": "erased by the digest of the person's address", "invitation_all.invited_by": "bare id",
        "legal_hold_all.placed_by": "bare id of staff", "legal_hold_all.lifted_by": "bare id of staff",
        "license_all.key_box": "a licence of the tenant's", "login_guard.account_digest": "erased by the digest of the person's address",
        "login_pressure.account_digest": "erased by the digest of the person's address",
        "login_guard.network_digest": "erased by the digest of the person's address",
        "mail_brand_all.name": "of the tenant's look", "offboarding_all.asked_by": "bare id",
        "offboarding_all.feedback_box": "what the tenant said of its reasons, sealed; gone with the purge",
        "offboarding_all.address_box": "the last mail's addresses, sealed, while a purge runs",
        "payment_event.body_box": "what a provider told, sealed; gone after billing's days",
        "plugin_value.box": "of a plugin's own space, sealed", "plugin_value.name": "of a plugin's own space",
        "project_share_all.target_id": "a membership", "provision_home_all.key_owner": "bare id",
        "provision_home_all.key_box": "a key of the tenant's, sealed under its owner's key",
        "seat_all.device": "digest of a machine", "seat_history_all.device": "digest of a machine",
        "seat_wait_all.device": "digest of a machine",
        "seat_reservation_all.name": "a list of the tenant's", "sign_in_flow.box": "sealed, for minutes",
        "team_all.name": "of the tenant's", "team_all.name_key": "of the tenant's", "tenant_all.name_box": "of the tenant's, sealed",
        "tenant_all.owner_membership_id": "a membership", "tenant_all.owner_role": "a word", "tenant_all.owner_standing": "a word",
        "tenant_policy_version_all.uploaded_by": "bare id", "tenant_policy_version_all.note": "of a policy",
        "webhook_endpoint_all.secret_box": "of the tenant's endpoint", "webhook_endpoint_all.previous_box": "of the tenant's endpoint",
        "webhook_endpoint_all.url": "of the tenant's endpoint", "workstation_step_all.name": "of a step",
        "provision_plan_all.note": "of a plan", "impersonation.staff_id": "bare id of staff",
        "impersonation.staff_session_id": "bare id of staff",
        "license_all.origin": "a word", "billing_mail_all.mail_key": "an occasion",
        "store_idempotency.box": "an answer given again for a day, sealed under a key derived from the caller's",
        "journal_entry_all.origin": "given with the audit log; sealed under the person's key",
        "journal_entry_all.actor": "given with the audit log; a bare id",
        "tenant_export_all.asked_by": "bare id", "tenant_export_piece_all.box": "the organisation's own copy, sealed, for thirty days",
        "tenant_export_entry_all.name": "of a file of the tenant's", "tenant_export_entry_all.name_key": "the same",
        "node.host": "a machine of the operator's",
    ]

    @Test("every column that could tell of a person is in a table that its room gives and erases, or stands here with its reason")
    func schema() async throws {
        let platform = try await TestPlatform.open()
        let texts = try PlatformRegister.migrations().map(\.sql) + OwnSchema.migrations.map(\.sql)
        let records = platform.platform.rooms.personRecords.flatMap(\.tables)
        let named = Set(records.map(\.name))
        #expect(records.count > 25)
        var columns: Set<String> = []
        let telling =
            #/^(.*_box|box|.*mail.*|.*name|name_key|.*address.*|network.*|.*host.*|device|label|user_id|.*_by|staff_.*|owner_.*|key_owner|actor|origin|note|account_digest|target_id|url|feedback.*)$/#
        for text in texts {
            for match in text.matches(of: #/(?s)CREATE TABLE (\w+) \((.*?)\n\s*\)/#) {
                let table = String(match.1)
                for line in match.2.split(separator: "\n") {
                    guard let column = line.firstMatch(of: #/^ +([a-z_]+) (TEXT|BLOB)/#) else { continue }
                    if String(column.1).wholeMatch(of: telling) != nil { columns.insert("\(table).\(column.1)") }
                }
            }
        }
        #expect(columns.count > 60)
        let forgotten = columns.filter { column in
            !named.contains(String(column.split(separator: ".")[0])) && Self.spared[column] == nil
        }
        #expect(forgotten.isEmpty, "nobody gives or erases \(forgotten.sorted())")
        for column in Self.spared.keys where columns.contains(column) == false { Issue.record("\(column) is no such column") }
        await platform.close()
    }

    // MARK: - Access

    @Test("access gives the own records, signed, after a fresh sign-in; nobody else's, and not for ever")
    func access() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let member = try await firm.member("grace@example.com", "developer")
        let seat = await member.call(
            "POST", "/api/v1/licenses/acquire", ["hardware_id": "hw", "hostname": "graces-machine", "os": "linux", "version": "1"])
        #expect(seat.status == 200, "\(seat.text)")
        let asked = await member.call("POST", Self.path, ["kind": "access"], key: "once")
        #expect(asked.status == 201 && asked["state"] == "done" && asked["outcome"] == "given", "\(asked.text)")
        #expect(await member.call("POST", Self.path, ["kind": "access"], key: "once")["id"] == asked["id"])
        let id = try #require(asked["id"]?.string)
        let signed = await member.call("GET", "\(Self.path)/\(id)/document")
        let text = try #require(signed["document"]?.string, "\(signed.text)")
        for word in ["grace@example.com", "Hopper", "graces-machine", "membership", "developer"] {
            #expect(text.contains(word), "\(word) in \(text.prefix(3_000))")
        }
        for word in ["ada@example.com", "Lovelace", "argon2", "secret_digest"] { #expect(!text.contains(word), "\(word)") }
        let signature = Signature(
            keyID: signed["key_id"]?.string ?? "", bytes: try #require(Base64URL.decode(signed["signature"]?.string ?? "")))
        let message = Array("coditect:personal-records.v1\0\(text)".utf8)
        #expect(platform.platform.ground.keys.verify(message, signature, .journal))
        #expect(await firm.owner.call("GET", "\(Self.path)/\(id)/document").status == 404)
        #expect(await firm.owner.call("GET", "\(Self.path)/\(id)").status == 404)

        // A session that was left open asks for nothing.
        platform.clock.advance(by: .minutes(16))
        #expect(Self.code(await member.call("POST", Self.path, ["kind": "export"])) == "403 recent_sign_in_required")
        #expect(Self.code(await member.call("GET", "\(Self.path)/\(id)/document")) == "403 recent_sign_in_required")
        platform.clock.advance(by: .days(31))
        let last = try await firm.signIn("grace@example.com")
        #expect(Self.code(await last.call("GET", "\(Self.path)/\(id)/document")) == "409 data_request_no_document")
        try await platform.runDue()
        #expect(try mails(platform, to: "grace@example.com").filter { $0 == "Your data is ready" }.count >= 1)
        await platform.close()
    }

    // MARK: - Restriction

    @Test("restriction keeps everything and lets nobody in, until the person lifts it")
    func restriction() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        #expect(Self.code(await firm.owner.call("POST", Self.path, ["kind": "restriction"])) == "201 ", "alone, nobody needs the owner")
        try await platform.runDue()
        #expect(Self.code(await firm.owner.call("GET", "/api/v1/licenses")) == "401 unauthenticated")
        #expect(Self.code(await platform.call("POST", Self.login, Self.known("ada@example.com"))) == "403 processing_restricted")
        #expect(try mails(platform, to: "ada@example.com").contains("Your request about your data is answered"))
        #expect(await platform.call("POST", "/api/v1/auth/reactivate", Self.known("ada@example.com")).status == 204)
        let owner = try await firm.signIn("ada@example.com")
        let listed = await owner.call("GET", Self.path)["data_requests"]?.array
        #expect(listed?.first?["state"] == "done" && listed?.first?["outcome"] == "restricted", "\(String(describing: listed))")
        let actions = try await platform.journalActions().map { $0.split(separator: " ")[0] }
        #expect(actions.contains("processing.restricted") && actions.contains("processing.restriction_lifted"))
        _ = try await Firm.grace(platform, owner)
        let needed = try await firm.signIn("ada@example.com")
        #expect(Self.code(await needed.call("POST", Self.path, ["kind": "objection"])) == "409 last_owner", "others need the owner")
        await platform.close()
    }

    // MARK: - The clock

    @Test("what staff has to answer is reminded of, runs over after thirty days, and is answered in words that the person reads")
    func clock() async throws {
        let stage = try await ImpersonationTests.Stage()
        let (firm, platform) = (stage.firm, stage.firm.platform)
        let asked = await firm.owner.call("POST", Self.path, ["kind": "rectification", "note": "My name is Ada King."])
        #expect(asked["state"] == "open" && asked["act_at"] == .null, "\(asked.text)")
        let id = try #require(asked["id"]?.string)
        #expect(Self.code(await firm.owner.call("POST", Self.path, ["kind": "rectification"])) == "409 data_request_open")
        let listed = await stage.root.call("GET", "/api/v1/admin/data-requests")
        #expect(listed["data_requests"]?.array?.first?["note"] == "My name is Ada King.", "\(listed.text)")
        #expect(await firm.owner.call("GET", "/api/v1/admin/data-requests").status == 403)
        #expect(Self.code(await stage.root.call("POST", Self.path, ["kind": "erasure"])) == "403 account_protected")
        let other = await stage.root.call("POST", Self.path, ["kind": "rectification"])
        let path = "/api/v1/admin/data-requests/\(other["id"]?.string ?? "")/answer"
        let refusal: JSONValue = ["is_granted": false, "answer": "Nothing is wrong with it."]
        #expect(await stage.root.call("POST", path, refusal)["outcome"] == "refused_by_staff")
        #expect(Self.code(await stage.root.call("POST", path, refusal)) == "409 data_request_over")
        platform.clock.advance(by: .days(24))
        try await platform.runDue()
        let notices = try mails(platform, to: "root@example.com").filter { $0.hasPrefix("Staff notice") }
        #expect(notices.contains("Staff notice: data request due soon"), "\(notices)")
        platform.clock.advance(by: .days(7))
        try await platform.runDue()
        var owner = try await firm.signIn("ada@example.com")
        #expect(await owner.call("GET", "\(Self.path)/\(id)")["state"] == "overdue")
        #expect(try await platform.journalActions().contains("data_request.overdue data_request:\(id)"))
        let act = Act(actor: .system("test"), requestID: "answer", now: platform.clock.now())
        _ = try await platform.platform.rooms.dataRequests.answer(
            try #require(DataRequest.ID(id)), isGranted: true, "The name was corrected today.", act)
        owner = try await firm.signIn("ada@example.com")
        #expect(await owner.call("GET", "\(Self.path)/\(id)")["answer"] == "The name was corrected today.")
        #expect(Self.code(await owner.call("POST", "\(Self.path)/\(id)/withdraw")) == "409 data_request_over")
        await platform.close()
    }

    // MARK: - Erasure

    @Test("an erased person is found in no table and no file, the others go on, and the audit chain holds")
    func erasure() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let member = try await firm.member("canary.grace@example.com", "developer")
        #expect(
            await member.call(
                "POST", "/api/v1/licenses/acquire", ["hardware_id": "hw", "hostname": "graces-bench", "os": "linux", "version": "1"]
            ).status == 200)
        _ = await member.call("POST", "/api/v1/api-keys", ["name": "canary-key", "permissions": ["team:read"]])
        _ = await member.call("PUT", "/api/v1/users/me/mails", ["template": "welcome_user", "is_wanted": false])
        let open = await member.call("POST", Self.path, ["kind": "rectification", "note": "canary-note"])
        #expect(open["state"] == "open")
        let asked = await member.call("POST", Self.path, ["kind": "erasure"])
        #expect(asked.status == 201 && asked["state"] == "waiting", "\(asked.text)")
        let withdrawn = await member.call("POST", "\(Self.path)/\(asked["id"]?.string ?? "")/withdraw")
        #expect(Self.code(withdrawn) == "409 data_request_begun", "its moment is now")
        try await platform.runDue()
        #expect(Self.code(await platform.call("POST", Self.login, Self.known("canary.grace@example.com"))) == "401 invalid_credentials")
        #expect(Self.code(await member.call("GET", "/api/v1/users/me")) == "401 unauthenticated")
        #expect(try mails(platform, to: "canary.grace@example.com").contains("Your data is erased"), "the last mail")
        #expect(await firm.memberships().count == 1)
        #expect(await firm.owner.call("GET", "/api/v1/sessions")["sessions"]?.array?.isEmpty == true, "its seat is free")
        #expect(await firm.owner.call("GET", "/api/v1/licenses").status == 200)
        // Jobs that are done go with their days; what they carried was sealed.
        let words = ["canary", "Hopper"]
        let traces = try await platform.traces(of: words, butMailsTo: "canary.grace@example.com")
        #expect(traces == [])
        // The log of decisions shows what a policy saw, for its days: the outcome says so.
        let named = try await platform.traces(of: ["graces-bench"], butMailsTo: "canary.grace@example.com")
        #expect(named.allSatisfy { $0.contains(".jsonl") }, "\(named)")
        let rows = platform.platform.rooms.personRecords
        let person = try #require(
            try await platform.platform.ground.store.kernelRead(KernelReason("test.erased")) { db in
                try db.row(SQL("test.erased", "SELECT user_id FROM user_account WHERE status = 'erased'")).map { row -> UserID in
                    try row.id(0)
                }
            })
        for room in rows {
            let left = try await room.give(person, in: [])
            for table in room.tables where table.fate == .erased && table.name != "user_account" {
                #expect(left[table.name] == nil, "\(table.name)")
            }
        }
        let done = try await platform.platform.rooms.dataRequests.requests(of: person)
        #expect(Set(done.map(\.outcome)) == ["erased", "erased_since"])
        for word in ["membership_all", "log of decisions"] {
            #expect(done.flatMap(\.remainders).contains { $0.what.contains(word) }, "\(word)")
        }
        #expect(done.allSatisfy { platform.platform.rooms.dataRequests.words(of: $0).note == nil })
        let actions = try await platform.journalActions()
        #expect(actions.contains { $0.hasPrefix("data_request.done") } && actions.contains { $0.hasPrefix("user.erased") })
        #expect(try await platform.isJournalIntact())
        await platform.close()
    }

    @Test("a hold keeps a person from being erased, by the kernel and not by a policy; the last owner hands over first")
    func hold() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let rooms = platform.platform.rooms
        let member = try await firm.member("grace@example.com", "developer")
        #expect(Self.code(await firm.owner.call("POST", Self.path, ["kind": "erasure"])) == "409 last_owner")
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let asked = await member.call("POST", Self.path, ["kind": "erasure"])
        #expect(asked["state"] == "waiting")
        let act = Act(actor: .system("test"), requestID: "hold", now: firm.now)
        let hold = try await rooms.offboarding.hold(tenant, reason: "A court asked for it.", by: UserID(UUID()), act)
        try await platform.runDue()
        let held = await member.call("GET", "\(Self.path)/\(asked["id"]?.string ?? "")")
        #expect(held["state"] == "waiting" && held["act_at"] != asked["act_at"], "\(held.text)")
        try await rooms.offboarding.lift(hold, on: tenant, by: UserID(UUID()), act)
        platform.clock.advance(by: .days(1))
        try await platform.runDue()
        #expect(Self.code(await platform.call("POST", Self.login, Self.known("grace@example.com"))) == "401 invalid_credentials")
        await platform.close()
    }

    @Test("while a hold stands the policy refuses an erasure and restricts; only staff lets the person in again")
    func refused() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let member = try await firm.member("grace@example.com", "developer")
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let act = Act(actor: .system("test"), requestID: "hold", now: firm.now)
        _ = try await platform.platform.rooms.offboarding.hold(tenant, reason: "A court asked for it.", by: UserID(UUID()), act)
        let asked = await member.call("POST", Self.path, ["kind": "erasure"])
        #expect(asked["state"] == "refused" && asked["outcome"] == "legal_hold", "\(asked.text)")
        try await platform.runDue()
        #expect(Self.code(await platform.call("POST", Self.login, Self.known("grace@example.com"))) == "403 processing_restricted")
        #expect(
            Self.code(await platform.call("POST", "/api/v1/auth/reactivate", Self.known("grace@example.com"))) == "403 account_deactivated")
        await platform.close()
    }

    @Test("a person who is all there is of an organisation takes it along: it leaves, and is purged in its time")
    func alone() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        #expect(await firm.owner.call("POST", Self.path, ["kind": "erasure"])["state"] == "waiting")
        try await platform.runDue()
        let rooms = platform.platform.rooms
        #expect(try await rooms.offboarding.progress(of: tenant)?.offboarding.state == .retained)
        platform.clock.advance(by: .days(31))
        try await platform.runDue()
        #expect(try await rooms.offboarding.progress(of: tenant)?.offboarding.state == .purged)
        #expect(try await platform.traces(of: ["Lovelace", "Analytical"], butMailsTo: "ada@example.com") == [])
        await platform.close()
    }

    @Test("the README shows the life as it is declared")
    func lifecycle() throws {
        let readme = try String(contentsOf: TestPlatform.root.appendingPathComponent("Sources/DataRequests/README.md"), encoding: .utf8)
        #expect(dataRequestLifecycle.flaws.isEmpty, "\(dataRequestLifecycle.flaws)")
        #expect(readme.contains("```mermaid\n\(dataRequestLifecycle.diagram)\n```"), "expected:\n\(dataRequestLifecycle.diagram)")
        #expect(readme.contains("\n\(dataRequestLifecycle.table)\n"), "expected:\n\(dataRequestLifecycle.table)")
    }
}

extension PeopleTests.Firm {
    /// A second member of whoever owns now.
    static func grace(_ platform: TestPlatform, _ owner: Customer) async throws -> Customer {
        let made = await owner.call("POST", "/api/v1/invitations", body("grace@example.com", "developer"))
        guard made.status == 201 else { throw Unexpected(what: "invite", answer: made) }
        try await platform.runDue()
        let token = try platform.mailToken(to: "grace@example.com")
        let accepted = await platform.call("POST", "/api/v1/invitations/accept", PeopleTests.answer(token))
        guard accepted.status == 200 else { throw Unexpected(what: "accept", answer: accepted) }
        return owner
    }
}

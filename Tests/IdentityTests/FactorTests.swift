import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

@Suite("Codes of authenticator apps")
struct OneTimeCodeTests {
    /// RFC 6238, appendix B, SHA-1, the last six of its eight digits.
    @Test(
        "are those of RFC 6238",
        arguments: [
            (59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"), (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] as [(Int64, String)])
    func vectors(seconds: Int64, code: String) {
        let app = OneTimeCode(secret: Array("12345678901234567890".utf8))
        #expect(app.code(OneTimeCode.step(Timestamp(seconds: seconds))) == code)
    }

    @Test("are taken one step early and one step late, and no further")
    func window() {
        let app = OneTimeCode(secret: Array("12345678901234567890".utf8))
        let now = Timestamp(seconds: 1_795_000_000)
        let step = OneTimeCode.step(now)
        for offset in -3...3 as ClosedRange<Int64> {
            #expect(app.step(of: app.code(step + offset), now: now) == (abs(offset) <= 1 ? step + offset : nil), "\(offset)")
        }
    }

    @Test("are read as people type them, and nothing else is a code")
    func reading() {
        #expect(OneTimeCode.read("123 456") == "123456")
        for text in ["12345", "1234567", "12345a", "", "１２３４５６", "-12345", String(repeating: " ", count: 100) + "123456"] {
            #expect(OneTimeCode.read(text) == nil, "\(text)")
        }
        #expect(RecoveryCode.read("8h3k 72qx-oooo-il1a") == "8H3K72QX0000111A")
        for text in ["8H3K-72QX-0000-111", "8H3K-72QX-0000-111U", ""] { #expect(RecoveryCode.read(text) == nil, "\(text)") }
    }

    @Test("the address of an app holds what the app needs, whatever the names")
    func address() throws {
        let app = OneTimeCode(secret: Array("12345678901234567890".utf8))
        let address = app.address(issuer: "Acme: & Söns", account: "ada+x@example.com")
        #expect(
            address.hasPrefix("otpauth://totp/Acme%20%20%26%20S%C3%B6ns:ada%2Bx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&"))
        #expect(URLComponents(string: address)?.queryItems?.count == 5)
        #expect(FactorHouse.base32(Base32.encode([0, 1, 254, 255, 7])) == [0, 1, 254, 255, 7])
    }
}

@Suite("Second factors")
struct FactorTests {
    @Test("an app counts once its first code has come, and from then on every sign-in asks for one")
    func enrolment() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let enrolment = try await factors.factors.beginTOTP(ada, house.act(ada))
        _ = try await house.login()
        let wrong = await problem { _ = try await factors.factors.confirmTOTP("000000", ada, house.act(ada)) }
        #expect(wrong?.code == "enrolment_code_wrong")
        let code = factors.secret(of: enrolment)
        let other = try await house.signedIn().principal
        // Of another session of the same person it is none.
        let shown = code.code(OneTimeCode.step(house.now))
        let elsewhere = await problem { _ = try await factors.factors.confirmTOTP(shown, other, house.act(other)) }
        #expect(elsewhere?.code == "enrolment_expired")
        let codes = try await factors.factors.confirmTOTP(shown, ada, house.act(ada))
        #expect(Set(codes).count == 10)
        // Sessions that were opened without it have ended; this one proved it.
        #expect(try await factors.proof(other) == nil)
        #expect(try await factors.proof(ada) == .recent)
        #expect(try await house.mails("factor_added").count == 1)
        // The code of the enrolment is spent.
        let token = try await factors.halfway()
        #expect(await problem { _ = try await factors.finish(token, .code(shown)) }?.code == "second_factor_invalid")
        house.advance(.seconds(30))
        let grant = try await factors.finish(token, .code(code.code(OneTimeCode.step(house.now))))
        let sessions = try await house.identity.sessions(of: ada.user, now: house.now)
        #expect(sessions.contains { $0.id == grant.session && $0.factor == "password+totp" })
        // The token is spent as well.
        house.advance(.seconds(30))
        let again = await problem { _ = try await factors.finish(token, .code(code.code(OneTimeCode.step(house.now)))) }
        #expect(again?.code == "mfa_token_invalid")
        #expect(await problem { _ = try await factors.factors.beginTOTP(ada, house.act(ada)) }?.code == "second_factor_exists")
    }

    @Test("a code is good once, also for many at once")
    func replay() async throws {
        let factors = try await FactorHouse()
        let ada = try await factors.ada()
        let app = try await factors.app(ada)
        var tokens: [String] = []
        for _ in 0..<4 { tokens.append(try await factors.halfway()) }
        let code = app.shows(factors.house.now)
        let opened = await withTaskGroup(of: Bool.self) { group in
            for token in tokens { group.addTask { (try? await factors.finish(token, .code(code))) != nil } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(opened == 1)
        #expect(try await factors.reasons("factor.failed") == ["replayed", "replayed", "replayed"])
        // Not even the step before counts, though it lies in the window.
        let before = app.code.code(OneTimeCode.step(factors.house.now) - 1)
        let last = try await factors.halfway()
        #expect(await problem { _ = try await factors.finish(last, .code(before)) }?.code == "second_factor_invalid")
    }

    @Test("of any number of guesses in parallel, from any number of sign-ins and sessions, five are looked at")
    func guesses() async throws {
        let factors = try await FactorHouse()
        let ada = try await factors.ada()
        let app = try await factors.app(ada)
        let house = factors.house
        var tokens: [String] = []
        for _ in 0..<4 { tokens.append(try await factors.halfway()) }
        let right = app.shows(house.now)
        let wrong = (0..<24).map { String(format: "%06d", $0) }.filter { guess in
            !(-1...1).contains { app.code.code(OneTimeCode.step(house.now) + $0) == guess }
        }
        let lines = tokens
        let codes = await withTaskGroup(of: String.self) { group in
            for (index, guess) in wrong.enumerated() {
                group.addTask {
                    if index % 5 == 4 {
                        return await problem { _ = try await factors.factors.stepUp(.code(guess), ada, house.act(ada)) }?.code ?? "none"
                    }
                    return await problem { _ = try await factors.finish(lines[index % 4], .code(guess)) }?.code ?? "none"
                }
            }
            return await group.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        }
        #expect(codes == ["second_factor_invalid": 5, "account_locked": wrong.count - 5], "\(codes)")
        // The right one comes too late from here, and in time from where the person is known.
        #expect(await problem { _ = try await factors.finish(lines[0], .code(right)) }?.code == "account_locked")
        #expect(try await house.mails("account_locked").count == 1)
        // Recovery stays open.
        _ = try await factors.finish(lines[0], .recovery(app.recovery[0]))
        _ = try await factors.finish(lines[1], .code(app.shows(house.now)), from: "198.51.100.7")
        house.advance(.minutes(16))
        let later = try await factors.halfway()
        _ = try await factors.finish(later, .code(app.shows(house.now)))
    }

    @Test("a recovery code is good once, is kept as a digest, and its use is told by mail")
    func recovery() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let app = try await factors.app(ada)
        let first = try await factors.halfway()
        let grant = try await factors.finish(first, .recovery(app.recovery[3].lowercased()))
        #expect(try await house.mails("recovery_code_used").first?.values["left"] == "9")
        #expect(try await factors.factors.overview(ada).recoveryCodesLeft == 9)
        let second = try await factors.halfway()
        #expect(await problem { _ = try await factors.finish(second, .recovery(app.recovery[3])) }?.code == "second_factor_invalid")
        let person = try await factors.principal(grant)
        let fresh = try await factors.factors.renewRecoveryCodes(person, house.act(person))
        #expect(await problem { _ = try await factors.finish(second, .recovery(app.recovery[4])) }?.code == "second_factor_invalid")
        _ = try await factors.finish(second, .recovery(fresh[0]))
        let kept = try await house.bench.store.kernelRead(KernelReason("test.codes")) { db in
            try db.rows(SQL("test.codes", "SELECT code_digest FROM recovery_code")).map { String(decoding: try $0.blob(0), as: UTF8.self) }
        }
        #expect(kept.count == 10 && !kept.contains { text in fresh.contains { text.contains($0) } })
    }

    @Test("a password set by mail takes no second factor along")
    func reset() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let app = try await factors.app(ada)
        let waiting = try await factors.halfway()
        try await house.identity.requestLink(.resetPassword, email: "ada@example.com", house.act())
        try await house.identity.resetPassword(house.secret("reset_password"), to: IdentityHouse.otherPassword, house.act())
        // A sign-in that had proved the old password is over, even with the right code.
        #expect(await problem { _ = try await factors.finish(waiting, .code(app.shows(house.now))) }?.code == "mfa_token_invalid")
        let signIn = try await house.identity.signIn(
            email: "ada@example.com", password: IdentityHouse.otherPassword, as: .token, from: Device(nil), house.act())
        guard case .secondFactorNeeded = signIn else {
            Issue.record("the password alone was enough")
            return
        }
    }

    @Test("a factor is recent for a quarter of an hour, and proved again for the next")
    func stepUp() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        #expect(try await factors.proof(ada) == .single)
        let app = try await factors.app(ada)
        house.advance(.minutes(14) - .microseconds(1))
        #expect(try await factors.proof(ada) == .recent)
        house.advance(.microseconds(1))
        #expect(try await factors.proof(ada) == .stale)
        let until = try await factors.factors.stepUp(.code(app.shows(house.now)), ada, house.act(ada))
        #expect(until == house.now + .minutes(15))
        #expect(try await factors.proof(ada) == .recent)
        try await factors.factors.removeTOTP(ada, house.act(ada))
        #expect(try await house.mails("factor_removed").count == 1)
        #expect(try await factors.factors.overview(ada).recoveryCodesLeft == 0)
        _ = try await house.login()
    }

    @Test("a policy that wants two factors lets in whoever has one to set up another, and to nothing else")
    func demanded() async throws {
        let factors = try await FactorHouse()
        let house = factors.house
        try await house.member()
        house.hooks.script("on_login", .allow(.object([("factors", .int(2))])))
        let ada = try await house.signedIn().principal
        #expect(ada.bounds.proof == .enrolling)
        let app = try await factors.app(ada)
        #expect(try await factors.proof(ada) == .recent)
        let token = try await factors.halfway()
        #expect(house.hooks.questions.last { $0.hook == "on_login" }?.input["factors"]?.int == 2)
        let grant = try await factors.finish(token, .code(app.shows(house.now)))
        #expect(try await factors.principal(grant).bounds.proof == .recent)
        house.hooks.script("on_login", .allow(.object([("factors", .int(3))])))
        #expect(await problem { _ = try await factors.halfway() }?.fields["reason"] == "second_factor_required")
    }

    @Test("a tenant that requires it waits for the grace, then members can only set one up")
    func required() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        try await factors.factors.require(graceDays: 2, in: ada.tenant, house.act(ada))
        #expect(try await factors.proof(ada) == .single)
        house.advance(.days(2) - .microseconds(1))
        #expect(try await factors.proof(ada) == .single)
        house.advance(.microseconds(1))
        #expect(try await factors.proof(ada) == .enrolling)
        // Not with a session that may have been left open: with a new one.
        #expect(await problem { _ = try await factors.app(ada) }?.code == "recent_sign_in_required")
        let late = try await house.signedIn().principal
        _ = try await factors.app(late)
        #expect(try await factors.proof(late) == .recent)
        // Without its factor the session is back where it was.
        try await factors.factors.removeTOTP(late, house.act(late))
        house.advance(.minutes(16))
        #expect(try await factors.proof(late) == .enrolling)
        try await factors.factors.require(graceDays: nil, in: ada.tenant, house.act(ada))
        #expect(try await factors.proof(late) == .single)
        #expect(
            try await house.actions().filter { $0.hasPrefix("factor.") && $0.hasSuffix("required") } == [
                "factor.required", "factor.not_required",
            ])
    }

    @Test("a platform role needs a second factor always, once its account is a week old")
    func staff() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        try await house.identity.change(KernelReason("test.appoint")) { db in
            try db.run(SQL("test.appoint", "UPDATE user_account SET platform_role = 'staff' WHERE user_id = $1"), ada.user)
            return Changed((), users: [ada.user])
        }
        #expect(try await factors.proof(ada) == .single)
        house.advance(.days(7))
        #expect(try await factors.proof(ada) == .enrolling)
    }

    @Test("an administrator takes somebody's factors: the sessions end, the person is told, the platform and the tenant remember")
    func administrator() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let app = try await factors.app(ada)
        try await house.member("root@example.com")
        let root = try await house.signedIn("root@example.com").principal
        let reason = "lost telephone, seen in person"
        try await factors.factors.reset(ada.user, reason: reason, by: root, house.act(root))
        #expect(try await factors.proof(ada) == nil)
        #expect(try await house.mails("factors_reset").map(\.recipient) == [.user(ada.user)])
        #expect(try await house.journal().filter { $0.action == "factor.reset" }.map(\.isPlatform).sorted { !$0 && $1 } == [false, true])
        #expect(
            await problem { try await factors.factors.reset(ada.user, reason: reason, by: root, house.act(root)) }?.code
                == "no_second_factor")
        #expect(
            await problem { try await factors.factors.reset(root.user, reason: reason, by: root, house.act(root)) }?.code == "forbidden")
        _ = try await house.login()
        #expect(app.recovery.count == 10)
    }

    @Test("what is kept and journalled holds neither secret nor code")
    func nothingReadable() async throws {
        let factors = try await FactorHouse()
        let ada = try await factors.ada()
        let app = try await factors.app(ada)
        let token = try await factors.halfway()
        _ = try? await factors.finish(token, .code("123456"))
        for entry in try await factors.house.journal() {
            for secret in [token, "123456", Base32.encode(app.code.secret)] + app.recovery { #expect(!"\(entry)".contains(secret)) }
        }
        let box = try await factors.house.bench.store.kernelRead(KernelReason("test.box")) { db in
            try db.row(FactorTable.totp, ada.user)?.blob(0)
        }
        #expect(box?.count ?? 0 > app.code.secret.count)
        #expect(!(box ?? []).indices.contains { (box ?? []).dropFirst($0).starts(with: app.code.secret) })
    }
}

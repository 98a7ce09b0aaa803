import Foundation
import PlatformTesting
import Testing
import Vocabulary

@testable import Composition

/// Accounts that are closed and opened again, by their person and by staff.
@Suite("accounts closed and opened")
struct AccountClosingTests {
    private static let users = "/api/v1/admin/users"
    private static let why: JSONValue = ["reason": "ticket 4713: account was taken over"]
    private static func code(_ answer: TestPlatform.Answer) -> String { "\(answer.status) \(answer["error"]?.string ?? "")" }
    private static func known(_ email: String, _ password: String = Customer.password) -> JSONValue {
        ["email": .string(email), "password": .string(password)]
    }
    private static func id(of who: Customer) async throws -> String {
        try #require(await who.call("GET", "/api/v1/users/me")["id"]?.string)
    }

    @Test("whom staff deactivates loses sessions, keys and seats at once, and only staff opens the account again")
    func byStaff() async throws {
        let stage = try await ImpersonationTests.Stage()
        let (firm, platform) = (stage.firm, stage.firm.platform)
        let member = try await firm.member("dev@example.com", "developer")
        let user = try await Self.id(of: member)
        let made = await member.call("POST", "/api/v1/api-keys", ["name": "ci", "permissions": ["team:read"]])
        let key = Customer(platform: platform, token: try #require(made["secret"]?.string))
        let seat = await member.call(
            "POST", "/api/v1/licenses/acquire", ["hardware_id": "hw", "hostname": "h", "os": "linux", "version": "1"])
        #expect(seat.status == 200, "\(seat.text)")

        #expect(Self.code(await firm.owner.call("POST", "\(Self.users)/\(user)/deactivate", Self.why)) == "403 forbidden")
        #expect(await stage.root.call("POST", "\(Self.users)/\(user)/deactivate", ["reason": "why"]).status == 422)
        #expect(await stage.root.call("POST", "\(Self.users)/\(user)/deactivate", Self.why).status == 204)
        #expect(Self.code(await member.call("GET", "/api/v1/users/me")) == "401 unauthenticated")
        #expect(Self.code(await key.call("GET", "/api/v1/memberships")) == "401 unauthenticated")
        try await platform.runDue()
        let box = platform.data.appendingPathComponent("mailbox")
        let told = try FileManager.default.contentsOfDirectory(atPath: box.path).filter { name in
            let mail = try String(contentsOf: box.appendingPathComponent(name), encoding: .utf8)
            return mail.contains("<dev@example.com>") && mail.contains("Your account was deactivated")
        }
        #expect(told.count == 1, "the person hears of it once, closed as the account is")
        #expect(await firm.owner.call("GET", "/api/v1/sessions")["sessions"]?.array?.isEmpty == true)
        #expect(Self.code(await stage.root.call("POST", "\(Self.users)/\(user)/deactivate", Self.why)) == "404 not_found")

        // Who has the password is told; a stranger is not.
        let login = "/api/v1/auth/login"
        #expect(Self.code(await platform.call("POST", login, Self.known("dev@example.com"))) == "403 account_deactivated")
        #expect(
            Self.code(await platform.call("POST", login, Self.known("dev@example.com", "a guess of somebody")))
                == "401 invalid_credentials")
        #expect(
            Self.code(await platform.call("POST", "/api/v1/auth/reactivate", Self.known("dev@example.com")))
                == "403 account_deactivated")
        #expect(await platform.call("POST", "/api/v1/auth/password/forgot", ["email": "dev@example.com"]).status == 202)

        let file = await stage.root.call("GET", "\(Self.users)/\(user)")
        #expect(file["status"] == "deactivated" && file["closed_by"] == "staff" && file["live_sessions"] == 0, "\(file.text)")
        #expect(await stage.root.call("POST", "\(Self.users)/\(user)/reactivate", Self.why).status == 204)
        #expect(await platform.call("POST", login, Self.known("dev@example.com")).status == 200)
        #expect(Self.code(await key.call("GET", "/api/v1/memberships")) == "401 unauthenticated", "what ended stays ended")
        let said = try await platform.journalActions().filter { $0.hasSuffix("user:\(user)") }.map { $0.split(separator: " ")[0] }
        for action in ["user.deactivated", "user.reactivated", "staff.user_viewed"] {
            #expect(said.filter { $0 == action }.count == 2, "\(action) stands in the tenant's journal and in the platform's")
        }
        await platform.close()
    }

    @Test("who closes the own account opens it again by the password; a wrong one is counted and told nothing")
    func byPerson() async throws {
        let stage = try await ImpersonationTests.Stage()
        let (firm, platform) = (stage.firm, stage.firm.platform)
        let member = try await firm.member("dev@example.com", "developer")
        let mine = await member.call("POST", "/api/v1/users/me/deactivate", ["password": .string(Customer.password)])
        #expect(mine.status == 204)
        let path = "/api/v1/auth/reactivate"
        #expect(Self.code(await platform.call("POST", path, Self.known("dev@example.com", "not it at all"))) == "401 invalid_credentials")
        #expect(Self.code(await platform.call("POST", path, Self.known("nobody@example.com"))) == "401 invalid_credentials")
        #expect(await platform.call("POST", path, Self.known("dev@example.com")).status == 204)
        #expect(await platform.call("POST", path, Self.known("dev@example.com")).status == 204, "again is harmless")
        let back = try await firm.signIn("dev@example.com")
        #expect(await back.call("GET", "/api/v1/memberships").status == 200)
        for _ in 0..<5 { _ = await platform.call("POST", path, Self.known("dev@example.com", "not it at all")) }
        #expect(Self.code(await platform.call("POST", path, Self.known("dev@example.com"))) == "429 account_locked")
        await platform.close()
    }

    @Test("the last owner, the own account and an administrator's are not deactivated; staff does not touch staff")
    func protected() async throws {
        let stage = try await ImpersonationTests.Stage()
        _ = try await stage.firm.member("dev@example.com", "developer")
        #expect(Self.code(await stage.root.call("POST", "\(Self.users)/\(stage.user)/deactivate", Self.why)) == "409 last_owner")
        #expect(await stage.firm.owner.call("GET", "/api/v1/users/me").status == 200, "nothing of it was done")
        let root = try await Self.id(of: stage.root)
        #expect(Self.code(await stage.root.call("POST", "\(Self.users)/\(root)/deactivate", Self.why)) == "403 account_protected")
        let (helper, staff) = try await stage.staff()
        #expect(Self.code(await staff.call("POST", "\(Self.users)/\(root)/sign-out", Self.why)) == "403 account_protected")
        let (other, _) = try await stage.staff("second@example.com")
        #expect(Self.code(await staff.call("POST", "\(Self.users)/\(other)/deactivate", Self.why)) == "403 account_protected")
        #expect(await stage.root.call("POST", "\(Self.users)/\(helper)/deactivate", Self.why).status == 204)
        #expect(Self.code(await staff.call("GET", Self.users)) == "401 unauthenticated")
        await stage.firm.platform.close()
    }

    @Test("staff finds a person by the exact address alone, lists accounts without names, and ends every session")
    func finding() async throws {
        let stage = try await ImpersonationTests.Stage()
        let (firm, platform) = (stage.firm, stage.firm.platform)
        let member = try await firm.member("dev@example.com", "developer")
        let found = await stage.root.call("POST", "\(Self.users)/search", ["email": "DEV@Example.com"])
        let user = try await Self.id(of: member)
        #expect(found["users"]?.array?.first?["id"]?.string == user, "\(found.text)")
        for other in ["dev@example.org", "de@example.com", "%", "dev"] {
            let none = await stage.root.call("POST", "\(Self.users)/search", ["email": .string(other + "   ")])
            #expect(none["users"]?.array?.isEmpty == true, "\(none.text)")
        }
        var seen: [String] = []
        var target: String? = "\(Self.users)?limit=1"
        while let here = target {
            let page = await stage.root.call("GET", here)
            #expect(!page.text.contains("example.com"), "the list says of nobody who it is")
            seen += page["users"]?.array?.compactMap { $0["id"]?.string } ?? []
            target = page["next_cursor"]?.string.map { "\(Self.users)?limit=1&cursor=\($0)" }
        }
        #expect(seen.count == 3 && Set(seen).count == 3 && seen.contains(user) && seen == seen.sorted(by: >))
        #expect(Self.code(await firm.owner.call("GET", Self.users)) == "403 forbidden")
        let file = await stage.root.call("GET", "\(Self.users)/\(user)")
        #expect(file["email"] == "dev@example.com" && file["memberships"]?.array?.count == 1 && file["live_sessions"] == 1)
        _ = try await firm.signIn("dev@example.com")
        #expect(await stage.root.call("POST", "\(Self.users)/\(user)/sign-out", Self.why)["ended_sessions"] == 2)
        #expect(Self.code(await member.call("GET", "/api/v1/users/me")) == "401 unauthenticated")
        #expect(await stage.root.call("GET", "\(Self.users)/\(UUID().uuidString.lowercased())").status == 404)
        await platform.close()
    }
}

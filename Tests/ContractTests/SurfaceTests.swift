import Foundation
import HTTPEdge
import PlatformTesting
import Testing
import Vocabulary

@testable import Composition

@Suite("the HTTP surface, as clients rely on it")
struct SurfaceTests {
    @Test("the generated reference is what the code says")
    func referenceIsCurrent() async throws {
        let platform = try await TestPlatform.open()
        let register = Register(
            settings: PlatformRegister.settings, problems: PlatformRegister.problems,
            permissions: PlatformRegister.permissions(platform.platform.routes), hooks: PlatformRegister.hooks,
            routes: platform.platform.routes)
        let reference = Reference(register)
        for (folder, pages) in [("docs/reference", reference.pages()), ("policies/_meta", reference.stubs())] {
            for (name, text) in pages {
                let held = try? String(contentsOf: TestPlatform.root.appendingPathComponent("\(folder)/\(name)"), encoding: .utf8)
                #expect(held == text, "\(folder)/\(name) differs: run make docs")
            }
        }
        for life in Rooms.lifecycles {
            let more = try #require(LifecycleReference.more[life.name], "nobody says where more is told of \(life.name)")
            for prefix in more.routes { #expect(register.routes.contains { $0.path.hasPrefix(prefix) }, "\(life.name): \(prefix)") }
            for prefix in more.settings { #expect(register.settings.contains { $0.path.hasPrefix(prefix) }, "\(life.name): \(prefix)") }
            for page in more.explained {
                let file = TestPlatform.root.appendingPathComponent("docs/\(page).md")
                #expect(FileManager.default.fileExists(atPath: file.path), "\(life.name): \(page)")
            }
        }
        await platform.close()
    }

    @Test("every problem, setting, hook and permission has words, and no code or name stands for two things")
    func literalsAreDocumented() async throws {
        let platform = try await TestPlatform.open()
        let problems = Dictionary(grouping: PlatformRegister.problems, by: \.code)
        for (code, all) in problems {
            #expect(Set(all.map { "\($0.status) \($0.title)" }).count == 1, "\(code) is used for two things")
            #expect(!all[0].title.isEmpty && !all[0].hint.isEmpty, "\(code) has no words")
        }
        #expect(Set(PlatformRegister.settings.map(\.path)).count == PlatformRegister.settings.count)
        for setting in PlatformRegister.settings { #expect(!setting.reason.isEmpty && !setting.range.isEmpty, "\(setting.path)") }
        for hook in PlatformRegister.hooks {
            #expect(!hook.summary.isEmpty)
            for field in hook.input + hook.terms { #expect(!field.summary.isEmpty, "\(hook.name).\(field.name)") }
        }
        let known = Set(PlatformRegister.problems.map(\.code))
        for route in platform.platform.routes {
            #expect(!route.summary.isEmpty, "\(route.name)")
            for problem in route.problems {
                #expect(known.contains(problem.code), "\(route.name) can answer \(problem.code), which no room lists")
            }
        }
        await platform.close()
    }

    @Test("errors have one shape, a stable code and the request's id")
    func errors() async throws {
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}")
        let cases: [(String, String, JSONValue?, Int, String)] = [
            ("GET", "/api/v1/nothing", nil, 404, "not_found"), ("GET", "/api/v1/users/me", nil, 401, "unauthenticated"),
            ("PUT", "/api/v1/auth/login", ["a": 1], 405, "method_not_allowed"),
            ("POST", "/api/v1/auth/login", ["email": "a@example.com", "password": "x", "extra": 1], 422, "validation_failed"),
            ("POST", "/api/v1/auth/login", ["email": 5], 422, "validation_failed"),
            ("POST", "/api/v1/auth/login", ["email": "a@example.com", "password": "wrong-password-here"], 401, "invalid_credentials"),
        ]
        for (method, target, body, status, code) in cases {
            let answer = await platform.call(method, target, body)
            #expect(answer.status == status && answer["error"]?.string == code, "\(method) \(target): \(answer.status) \(answer.text)")
            #expect(answer["message"]?.string?.isEmpty == false)
            #expect(answer["request_id"]?.string == answer.headers.first { $0.0 == "x-request-id" }?.1)
        }
        let malformed = await platform.call(
            "POST", "/api/v1/auth/login", headers: ["content-type": "application/json"], raw: Data("{".utf8))
        #expect(malformed.status == 400 && malformed["error"] == "malformed_request")
        let media = await platform.call("POST", "/api/v1/auth/login", headers: ["content-type": "text/plain"], raw: Data("{}".utf8))
        #expect(media.status == 415)
        let large = await platform.call(
            "POST", "/api/v1/auth/login", headers: ["content-type": "application/json"], raw: Data(repeating: 32, count: 100_000))
        #expect(large.status == 413)
        await platform.close()
    }

    @Test("older paths answer like their new ones", arguments: ["/api/v1/auth/login", "/api/auth/login"])
    func olderPaths(path: String) async throws {
        let platform = try await TestPlatform.open()
        let answer = await platform.call("POST", path, ["email": "nobody@example.com", "password": "not-the-password"])
        #expect(answer.status == 401 && answer["error"] == "invalid_credentials")
        #expect(await platform.call("GET", "/health").status == 200)
        await platform.close()
    }

    @Test("pages forbid scripts, frames and foreign forms")
    func pageHeaders() async throws {
        let platform = try await TestPlatform.open()
        for path in ["/", "/sign-up", "/sign-in", "/forgot", "/docs/api"] {
            let page = await platform.call("GET", path)
            let policy = page.headers.first { $0.0 == "content-security-policy" }?.1 ?? ""
            #expect(
                page.status == 200 && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"), "\(path): \(policy)")
            #expect(!page.text.contains("<script") && !page.text.contains("style=\""), "\(path)")
            #expect(page.text.contains("<html lang=") && page.text.contains("<main"), "\(path)")
        }
        await platform.close()
    }

    @Test("a form without its token changes nothing")
    func forgery() async throws {
        let platform = try await TestPlatform.open()
        let answer = await platform.call(
            "POST", "/sign-up", headers: ["content-type": "application/x-www-form-urlencoded", "origin": "https://evil.example"],
            raw: Data("email=a%40example.com".utf8))
        #expect(answer.status == 403)
        await platform.close()
    }
}

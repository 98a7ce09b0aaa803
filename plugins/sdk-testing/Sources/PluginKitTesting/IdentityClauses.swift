import Foundation
import PluginKit

extension IdentityProviderConformance {
    @Sendable func described(_ stage: IdentityStage) async throws -> [String] {
        let profile = stage.provider.profile
        var faults: [String] = []
        if profile != stage.provider.profile { faults.append("It describes itself otherwise at the second asking.") }
        if !profile.capabilities.contains(.browser) { faults.append("It says nothing of browsers.") }
        if Set(profile.fields.map(\.name)).count != profile.fields.count { faults.append("A field stands there twice.") }
        if profile.fields.contains(where: { ($0.kind == .choice) == $0.choices.isEmpty }) { faults.append("A choice without choices.") }
        return faults
    }

    @Sendable func departing(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        let query = URLComponents(string: flow.departure.address)?.queryItems ?? []
        let packed = try stage.unpacked?(flow.departure)
        let carried = query.compactMap(\.value) + flow.departure.form.values + (packed ?? [])
        var faults: [String] = []
        if WebOrigin(flow.departure.address, allowingQuery: true) == nil { faults.append("The address is none.") }
        if !carried.contains(flow.beginning.state) { faults.append("The state is not in it.") }
        if !carried.contains(flow.beginning.redirectAddress) { faults.append("The redirect address is not in it as it was given.") }
        let all = ([flow.departure.address] + flow.departure.form.values + (packed ?? [])).joined(separator: "\n")
        if all.contains(flow.beginning.verifier) { faults.append("The verifier is in it.") }
        let challenge = PretendSignatures.base64url(Data(PluginDigest.sha256(Data(flow.beginning.verifier.utf8))))
        if let packed {
            if !packed.contains(where: { $0.contains(flow.beginning.nonce) }) { faults.append("The nonce is not in what is packed.") }
        } else if flow.departure.form.isEmpty, !carried.contains(challenge) {
            faults.append("The SHA-256 of the verifier is not in it.")
        }
        for secret in stage.secrets where all.contains(secret) { faults.append("A secret is in it.") }
        if flow.departure.kept.count > IdentityLimits.maxKeptBytes { faults.append("It keeps too much.") }
        return faults
    }

    @Sendable func distinct(_ stage: IdentityStage) async throws -> [String] {
        let (one, two) = (try await flow(stage, 1), try await flow(stage, 2))
        return one.departure.address == two.departure.address && one.departure.form == two.departure.form ? ["Two flows leave alike."] : []
    }

    @Sendable func asserted(_ stage: IdentityStage) async throws -> [String] {
        let first = try await flow(stage)
        let assertion = try await stage.provider.complete(first.arrival(try await stage.consent(first.departure, .ada)))
        var faults = IdentityLimits.fault(in: assertion).map { ["The assertion breaks the limits: \($0)."] } ?? []
        if assertion.subject != StagePerson.ada.subject {
            faults.append("The subject is \(assertion.subject), not \(StagePerson.ada.subject).")
        }
        if assertion.issuer.isEmpty { faults.append("It names no issuer.") }
        if !assertion.addresses.contains(where: { $0.address == StagePerson.ada.address && $0.isVerified }) {
            faults.append("The verified address is missing.")
        }
        let later = try await subject.stage()
        let second = try await flow(later, 2)
        let again = try await later.provider.complete(second.arrival(try await later.consent(second.departure, .ada)))
        if again.subject != assertion.subject || again.issuer != assertion.issuer { faults.append("After a restart it is somebody else.") }
        return faults
    }

    @Sendable func concurrent(_ stage: IdentityStage) async throws -> [String] {
        try await withThrowingTaskGroup(of: String?.self) { group in
            for number in 1...16 {
                group.addTask {
                    let person = StagePerson("\(2_000 + number)", "person\(number)@example.com")
                    let flow = try await self.flow(stage, number)
                    let assertion = try await stage.provider.complete(flow.arrival(try await stage.consent(flow.departure, person)))
                    return assertion.subject == person.subject ? nil : "\(person.subject) was taken for \(assertion.subject)."
                }
            }
            var faults: [String] = []
            for try await fault in group { if let fault { faults.append(fault) } }
            return faults
        }
    }

    @Sendable func declined(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        let fault = await refused(stage, flow.arrival(try await stage.decline(flow.departure)), "A no") {
            if case .declined = $0 { true } else { false }
        }
        var wild = try await stage.decline(flow.departure)
        wild["error"] = "<script>" + String(repeating: "x", count: 5_000)
        let loud = await refused(stage, flow.arrival(wild), "A wild no") { error in
            if case .declined(let code) = error { code.utf8.count <= 64 && !code.contains("<") } else { Self.isDoubt(error) }
        }
        return [fault, loud].compactMap { $0 }
    }

    @Sendable func unverified(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        let assertion = try await stage.provider.complete(flow.arrival(try await stage.consent(flow.departure, .eve)))
        return assertion.addresses.contains(where: \.isVerified) ? ["An address that nobody verified is called verified."] : []
    }

    @Sendable func replayed(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        let arrival = flow.arrival(try await stage.consent(flow.departure, .ada))
        _ = try await stage.provider.complete(arrival)
        return [await refused(stage, arrival, "An answer's second use", as: Self.isDoubt)].compactMap { $0 }
    }

    @Sendable func crossed(_ stage: IdentityStage) async throws -> [String] {
        let (one, two) = (try await flow(stage, 1), try await flow(stage, 2))
        let parameters = try await stage.consent(one.departure, .ada)
        return [await refused(stage, two.arrival(parameters), "An answer of another flow", as: Self.isDoubt)].compactMap { $0 }
    }

    @Sendable func mixedUp(_ stage: IdentityStage) async throws -> [String] {
        guard let other = stage.other else { return [] }
        let (one, two) = (try await flow(stage, 1), try await flow(stage, 2, at: other))
        let parameters = try await stage.consent(one.departure, .ada)
        return [await refused(stage, two.arrival(parameters), "An answer of another provider", as: Self.isDoubt)].compactMap { $0 }
    }

    @Sendable func malformed(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        let good = try await stage.consent(flow.departure, .ada)
        var faults: [String?] = [await refused(stage, flow.arrival([:]), "Nothing", as: Self.isDoubt)]
        for name in good.keys.sorted() where name != "state" {
            for (what, value) in [("empty", ""), ("endless", String(repeating: "x", count: 100_000)), ("NUL", "\0"), ("comma", "a,b")] {
                var parameters = good
                parameters[name] = value
                faults.append(await refused(stage, flow.arrival(parameters), "\(name), \(what)", as: Self.isDoubt))
            }
        }
        return faults.compactMap { $0 }
    }

    @Sendable func forgetful(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        guard !flow.departure.kept.isEmpty else { return [] }
        var faults: [String?] = []
        for kept in [Data(), Data("{}".utf8), Data(repeating: 0xFF, count: 64)] {
            var arrival = flow.arrival(try await stage.consent(flow.departure, .ada))
            arrival.kept = kept
            faults.append(await refused(stage, arrival, "A flow whose beginning is forgotten", as: Self.isDoubt))
        }
        return faults.compactMap { $0 }
    }

    @Sendable func cheated(_ stage: IdentityStage) async throws -> [String] {
        var faults: [String] = stage.cheats.isEmpty ? ["There is no cheat to try."] : []
        for index in stage.cheats.indices {
            let fresh = try await subject.stage()
            let cheat = fresh.cheats[index]
            let flow = try await flow(fresh)
            cheat.arm()
            let parameters = try await fresh.consent(flow.departure, .ada)
            if let fault = await refused(fresh, flow.arrival(parameters), cheat.name, as: Self.isDoubt) { faults.append(fault) }
        }
        return faults
    }

    @Sendable func cutOff(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        let parameters = try await stage.consent(flow.departure, .ada)
        stage.cutOff()
        return [
            await refused(stage, flow.arrival(parameters), "A provider that is away") { if case .unreachable = $0 { true } else { false } }
        ].compactMap { $0 }
    }

    @Sendable func babbled(_ stage: IdentityStage) async throws -> [String] {
        let flow = try await flow(stage)
        let parameters = try await stage.consent(flow.departure, .ada)
        stage.babble()
        return [
            await refused(stage, flow.arrival(parameters), "A provider that babbles") { error in
                if case .unreachable = error { true } else { Self.isDoubt(error) }
            }
        ].compactMap { $0 }
    }

    @Sendable func inspected(_ stage: IdentityStage) async throws -> [String] {
        let found = try await stage.provider.inspect(stage.connection, redirectAddress: Self.redirect)
        var faults = found.issuer.isEmpty ? ["An inspection names no issuer."] : []
        stage.cutOff()
        do {
            _ = try await stage.provider.inspect(stage.connection, redirectAddress: Self.redirect)
            faults.append("An inspection of nobody succeeded.")
        } catch IdentityProviderError.unreachable {} catch { faults.append("An inspection of nobody threw \(error).") }
        return faults
    }

    @Sendable func published(_ stage: IdentityStage) async throws -> [String] {
        guard stage.provider.profile.capabilities.contains(.document) else {
            do {
                _ = try await stage.provider.document(stage.connection, redirectAddress: Self.redirect)
                return ["It publishes a document and does not say that it can."]
            } catch {
                return error as? IdentityProviderError == .notSupported(.document)
                    ? [] : ["A document that it does not have threw \(error)."]
            }
        }
        stage.cutOff()
        // A draft, of which the other side is not known yet: what we publish is how it comes to know us.
        let draft = IdentityConnection(id: stage.connection.id, isOffered: stage.connection.isOffered)
        var faults: [String] = []
        for connection in [stage.connection, draft] {
            let document = try await stage.provider.document(connection, redirectAddress: Self.redirect)
            if !document.mediaType.hasPrefix("application/") { faults.append("A browser might show the document: \(document.mediaType).") }
            if !document.text.contains(Self.redirect) { faults.append("The redirect address is not in the document.") }
            if document.text.utf8.count > IdentityLimits.maxDocumentBytes { faults.append("The document is too large.") }
            for secret in stage.secrets where document.text.contains(secret) { faults.append("A secret is in the document.") }
        }
        return faults
    }

    @Sendable func silent(_ stage: IdentityStage) async throws -> [String] {
        var said: [String] = []
        for index in stage.cheats.indices {
            let fresh = try await subject.stage()
            let flow = try await flow(fresh)
            fresh.cheats[index].arm()
            let parameters = try await fresh.consent(flow.departure, .ada)
            do { _ = try await fresh.provider.complete(flow.arrival(parameters)) } catch { said.append("\(error)") }
            said += fresh.log()
            for secret in fresh.secrets + [flow.beginning.verifier, parameters["code"] ?? ""] where !secret.isEmpty {
                if let line = said.first(where: { $0.contains(secret) }) { return ["It said a secret: \(line.prefix(120))"] }
            }
            said = []
        }
        return []
    }
}

package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.UserPrincipal;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.Map;

/**
 * The users and groups of a file system: "root" with number 0, "user" and "group" with number {@value #PROGRAM}, and all others, whose
 * names are their numbers.
 */
final class Principals extends UserPrincipalLookupService {
    /** The user and the group as whom a program uses a file system unless it chooses otherwise. */
    static final int PROGRAM = 1000;

    private static final Map<String, Integer> USERS = Map.of("root", 0, "user", PROGRAM);
    private static final Map<String, Integer> GROUPS = Map.of("root", 0, "group", PROGRAM);

    /** Who owns files. */
    record User(int id, String name) implements UserPrincipal {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /** Who may use them together. */
    record Group(int id, String name) implements GroupPrincipal {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static User user(int id) {
        return new User(id, id == 0 ? "root" : id == PROGRAM ? "user" : Integer.toString(id));
    }

    static Group group(int id) {
        return new Group(id, id == 0 ? "root" : id == PROGRAM ? "group" : Integer.toString(id));
    }

    @Override
    public UserPrincipal lookupPrincipalByName(String name) throws IOException {
        return user(number(name, USERS));
    }

    @Override
    public GroupPrincipal lookupPrincipalByGroupName(String group) throws IOException {
        return group(number(group, GROUPS));
    }

    private static int number(String name, Map<String, Integer> known) throws UserPrincipalNotFoundException {
        Integer number = known.get(name);
        if (number != null) {
            return number;
        }
        try {
            return Integer.parseUnsignedInt(name);
        } catch (NumberFormatException e) {
            UserPrincipalNotFoundException notFound = new UserPrincipalNotFoundException(name);
            notFound.initCause(e);
            throw notFound;
        }
    }
}

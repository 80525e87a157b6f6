package io.blkmq.loop;

import io.blkmq.aio.Errno;
import io.blkmq.runtime.Registration;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import javax.management.Attribute;
import javax.management.AttributeList;
import javax.management.AttributeNotFoundException;
import javax.management.DynamicMBean;
import javax.management.InstanceAlreadyExistsException;
import javax.management.InstanceNotFoundException;
import javax.management.InvalidAttributeValueException;
import javax.management.JMException;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanException;
import javax.management.MBeanInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.management.ReflectionException;
import org.jspecify.annotations.Nullable;

/**
 * The {@link LoopAttributes} of a device over JMX, under the same names, all of them text. Dynamic, since an attribute's name is a path
 * and not that of a Java method. An attribute that is not there now, below {@code loop/} of a device without a file, is null; those of an
 * elevator are there while it is at work.
 */
final class LoopMBean implements DynamicMBean {
    private static final String TEXT = String.class.getName();

    private final LoopAttributes attributes;

    private LoopMBean(LoopAttributes attributes) {
        this.attributes = attributes;
    }

    /** Registers one; closing it takes it out again. */
    static Registration register(LoopDevice device) throws LoopException {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        try {
            ObjectName name = new ObjectName("io.blkmq:type=LoopDevice,name=" + ObjectName.quote(device.name()));
            var _ = server.registerMBean(new LoopMBean(device.attributes()), name);
            return () -> {
                try {
                    server.unregisterMBean(name);
                } catch (InstanceNotFoundException e) {
                    // Closed twice, or taken out by somebody else.
                } catch (JMException e) {
                    throw new IllegalStateException(device.name() + " cannot be taken out", e);
                }
            };
        } catch (InstanceAlreadyExistsException e) {
            throw new LoopException(Errno.EEXIST, "a device of the name " + device.name() + " is registered already",
                    e);
        } catch (JMException e) {
            throw new IllegalStateException(device.name() + " cannot be registered", e);
        }
    }

    @Override
    public @Nullable Object getAttribute(String name) throws AttributeNotFoundException {
        if (!attributes.allNames().contains(name)) {
            throw new AttributeNotFoundException(name);
        }
        try {
            return attributes.get(name);
        } catch (LoopException e) {
            return null;
        }
    }

    @Override
    public void setAttribute(Attribute attribute)
            throws AttributeNotFoundException, InvalidAttributeValueException, MBeanException {
        try {
            attributes.set(attribute.getName(), Objects.toString(attribute.getValue(), ""));
        } catch (LoopException e) {
            // What goes over the wire is of the JDK: the other side need not know our exceptions.
            if (e.errno() == Errno.ENOENT || e.errno() == Errno.EACCES) {
                throw new AttributeNotFoundException(e.getMessage());
            }
            throw new InvalidAttributeValueException(e.getMessage());
        } catch (IOException e) {
            throw new MBeanException(e, e.getMessage());
        }
    }

    @Override
    public AttributeList getAttributes(String[] names) {
        AttributeList found = new AttributeList();
        for (String name : names) {
            try {
                found.add(new Attribute(name, getAttribute(name)));
            } catch (AttributeNotFoundException e) {
                // Left out, as the interface has it.
            }
        }
        return found;
    }

    @Override
    public AttributeList setAttributes(AttributeList wanted) {
        List<String> set = new ArrayList<>();
        for (Attribute attribute : wanted.asList()) {
            try {
                setAttribute(attribute);
                set.add(attribute.getName());
            } catch (JMException e) {
                // Left out, as the interface has it.
            }
        }
        return getAttributes(set.toArray(String[]::new));
    }

    @Override
    public @Nullable Object invoke(String action, Object[] parameters, String[] signature) throws ReflectionException {
        throw new ReflectionException(new NoSuchMethodException(action), "there are attributes and no operations");
    }

    @Override
    public MBeanInfo getMBeanInfo() {
        MBeanAttributeInfo[] infos = attributes.allNames().stream()
                .map(name -> new MBeanAttributeInfo(name, TEXT, name, true, attributes.isWritable(name), false))
                .toArray(MBeanAttributeInfo[]::new);
        return new MBeanInfo(LoopMBean.class.getName(), "a loop device", infos, null, null, null);
    }
}

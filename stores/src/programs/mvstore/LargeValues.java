/** The same with values that nearly fill a page of the file system, so that what is written at once takes several. */
public final class LargeValues extends Program {
    @Override
    String value(int number) {
        return "v".repeat(3000) + number;
    }
}
